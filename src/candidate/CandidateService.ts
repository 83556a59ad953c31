import { existsSync } from "node:fs"
import { join } from "node:path"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import type { PrepareSpec, SandboxMode } from "../domain/policy.ts"
import { ProcessRunner } from "../platform/ProcessRunner.ts"
import { Sandbox, type SandboxUnavailable } from "../platform/Sandbox.ts"
import type { ReadOnlyBind } from "../platform/sandbox-mounts.ts"
import {
  DEFAULT_MOUNTS,
  type Dependencies,
  dependencies,
  type Mount,
  mountBinds,
  mountsFromLive,
  mountsFromStore,
} from "./dependencies.ts"
import { CandidateFailed, detailOf, type PrepareFailed, type SlotsBusy } from "./errors.ts"
import { type GitSource, makeGitFolder, objectBinds } from "./git-folder.ts"
import { foldersOf, type Manifest, type Oid } from "./manifest.ts"
import { prepareDigest, preparedFrom, runPrepare } from "./prepare.ts"
import { acquireSlot, type Slot } from "./slot.ts"
import { type ReadBlobs, syncTree, type TreePlan } from "./tree-sync.ts"

/** What stays the same for every candidate of a workspace. */
export interface CandidateWorkspace {
  /** Cache folder of this repository, outside it: holds `slots` and `prepared`. */
  readonly root: string
  /** The live tree; only the folders in `mounts` are ever shown of it. */
  readonly liveRoot: string
  /** Dependency folders of the live tree that may be shown, relative; the caller has checked that git ignores them. */
  readonly mounts: readonly string[]
  readonly prepare: PrepareSpec | undefined
  readonly sandbox: SandboxMode
  /** The whole environment of `prepare`. */
  readonly env: Readonly<Record<string, string>>
  /** Folders a sandbox never shows: the live tree, Hyperion's state. */
  readonly hidden: readonly string[]
}

export interface CandidateTree<E> {
  readonly tree: Oid
  /** Every file of `tree`. */
  readonly manifest: Manifest
  /** Asked for at most 256 at a time, and only for files the slot does not hold already. */
  readonly readBlobs: ReadBlobs<E>
  readonly git: GitSource
}

/** A tree on disk, ours until the scope closes. */
export interface Candidate<E> {
  readonly tree: Oid
  readonly dir: string
  /** To be given to the sandbox with every command: dependencies, and the objects its `.git` refers to. */
  readonly binds: readonly ReadOnlyBind[]
  readonly dependencies: Dependencies
  /** Makes it exactly the tree again. To be called before every command; the first call costs nothing. */
  readonly reset: Effect.Effect<void, CandidateFailed | E>
}

export type MaterializeError = CandidateFailed | SlotsBusy | PrepareFailed | SandboxUnavailable

export interface CandidateServiceShape {
  /**
   * Puts a tree into a free warm slot below `workspace.root`; the slot is given back when the scope closes. What
   * `prepare` makes is shared by all trees with the same lockfiles, so materialise a new base before the changes on
   * top of it: then its tree, not an agent's, makes what is shared.
   */
  readonly materialize: <E>(
    workspace: CandidateWorkspace,
    tree: CandidateTree<E>,
  ) => Effect.Effect<Candidate<E>, MaterializeError | E, Scope.Scope>
}

const make = Effect.gen(function* () {
  const runner = yield* ProcessRunner
  const sandbox = yield* Sandbox
  const oneAtATime = yield* Effect.makeSemaphore(1)

  const place = <E>(slot: Slot, plan: TreePlan, tree: CandidateTree<E>) =>
    Effect.flatMap(syncTree(slot, plan, tree.readBlobs), (files) =>
      Effect.try({
        try: () => makeGitFolder(slot.tree, tree.tree, tree.git, files, Array.from(plan.mounts.keys())),
        catch: (error) =>
          new CandidateFailed({ operation: "write_tree", path: ".git", detail: detailOf(error) }),
      }),
    )

  const labelOf = Effect.fn("CandidateService.label")(function* (workspace: CandidateWorkspace) {
    const probe = { mode: workspace.sandbox, argv: ["true"] as const, candidateDir: "/", network: false }
    const wrapped = yield* sandbox.wrap({ ...probe, readOnlyBinds: [], env: {}, hidden: [] })
    return wrapped.label
  })

  /** Runs `prepare` unless its outputs are there or the live tree's folders serve as well. */
  const prepared = Effect.fn("CandidateService.prepared")(function* <E>(
    workspace: CandidateWorkspace,
    tree: CandidateTree<E>,
    slot: Slot,
    plan: TreePlan,
    live: readonly Mount[],
  ) {
    const spec = workspace.prepare
    if (spec === undefined) return []
    const keep = spec.keep.length > 0 ? spec.keep : DEFAULT_MOUNTS
    const made = preparedFrom(spec, tree.manifest)
    if (made.size === 0 || keep.every((path) => live.some((mount) => mount.path === path))) return []
    const label = plan.mountAs === "folder" ? "bwrap" : "none"
    const store = join(workspace.root, "prepared", prepareDigest(spec, keep, made, label))
    yield* oneAtATime.withPermits(1)(
      Effect.gen(function* () {
        if (existsSync(store)) return
        yield* place(slot, plan, tree)
        yield* runPrepare(runner, sandbox, { ...workspace, spec, keep, tree: slot.tree, store })
      }),
    )
    return mountsFromStore(store, keep, made, tree.manifest, plan.folders)
  })

  const materialize = Effect.fn("CandidateService.materialize")(function* <E>(
    workspace: CandidateWorkspace,
    tree: CandidateTree<E>,
  ) {
    const folders = foldersOf(tree.manifest)
    if (!folders.ok) {
      const detail = "this path cannot be written below a folder"
      return yield* new CandidateFailed({ operation: "check_manifest", path: folders.error, detail })
    }
    const label = yield* labelOf(workspace)
    const slot = yield* acquireSlot(join(workspace.root, "slots"))
    const live = yield* Effect.try({
      try: () => mountsFromLive(workspace.liveRoot, workspace.mounts, tree.manifest, folders.value),
      catch: (error) =>
        new CandidateFailed({ operation: "read_slot", path: workspace.liveRoot, detail: detailOf(error) }),
    })
    const bare: TreePlan = {
      manifest: tree.manifest,
      folders: folders.value,
      mounts: new Map(),
      mountAs: label === "bwrap" ? "folder" : "link",
    }
    const stored = yield* prepared(workspace, tree, slot, bare, live.mounted)
    const isStored = ({ path }: { readonly path: string }) => stored.some((mount) => mount.path === path)
    const mounted = [...stored, ...live.mounted.filter((mount) => !isStored(mount))]
    const plan = { ...bare, mounts: new Map(mounted.map(({ path, source }) => [path, source])) }
    yield* place(slot, plan, tree)
    const missing = live.missing.filter((mount) => !isStored(mount))
    const shown = yield* Effect.try({
      try: () => ({
        binds: [...mountBinds(mounted), ...objectBinds(tree.git)],
        dependencies: dependencies(mounted, missing),
      }),
      catch: (error) =>
        new CandidateFailed({ operation: "read_slot", path: slot.folder, detail: detailOf(error) }),
    })
    let fresh = true
    const candidate: Candidate<E> = {
      tree: tree.tree,
      dir: slot.tree,
      ...shown,
      reset: Effect.suspend(() => {
        if (!fresh) return place(slot, plan, tree)
        fresh = false
        return Effect.void
      }),
    }
    return candidate
  })

  return { materialize }
})

export class CandidateService extends Context.Tag("hyperion/candidate/CandidateService")<
  CandidateService,
  CandidateServiceShape
>() {
  static readonly layer = Layer.effect(CandidateService, make)
}
