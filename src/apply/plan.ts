import type { FileEffect, FileState } from "../domain/files.ts"
import { linkTargetProblems, pathProblems } from "../domain/path.ts"
import { fail, ok, type Result } from "../domain/result.ts"
import {
  type GitObject,
  makeObject,
  type Oid,
  type Signature,
  serialiseCommit,
} from "../platform/git/objects.ts"
import { type BlobEntry, editTree, findFile, type TreeReader } from "../platform/git/tree-edit.ts"

/** One entry's change. `before` of every effect is what the running tree holds when the step's turn comes. */
export interface LandingStep {
  readonly entryId: string
  readonly effects: readonly FileEffect[]
  readonly author: Signature
  readonly committer: Signature
  readonly message: string
}

export interface PlannedEffect {
  readonly path: string
  readonly before: BlobEntry | null
  readonly after: BlobEntry | null
}

/** One commit to be. */
export interface PlannedStep {
  readonly entryId: string
  readonly tree: Oid
  readonly commit: Oid
  readonly effects: readonly PlannedEffect[]
}

/** What the whole chain does to one path; `bytes` is the content of `after`. */
export interface NetEffect extends PlannedEffect {
  readonly bytes: Uint8Array | null
}

declare const planned: unique symbol

/** A chain of commits on a base, computed to the last byte; the only thing that can be landed or previewed. */
export interface ApplyPlan {
  readonly [planned]: true
  /** null: the branch is unborn, the first step is its root commit. */
  readonly baseCommit: Oid | null
  readonly baseTree: Oid
  readonly steps: readonly PlannedStep[]
  readonly tip: Oid
  readonly tipTree: Oid
  /** Everything the store may lack. */
  readonly objects: readonly GitObject[]
  /** Sorted by path; paths that end as they began are left out. */
  readonly net: readonly NetEffect[]
}

export interface PlanInput {
  readonly baseCommit: Oid | null
  readonly baseTree: Oid
  readonly steps: readonly LandingStep[]
}

export type PlanProblemKind =
  | "no_steps"
  | "path_unsafe"
  | "path_twice"
  | "link_target"
  | "gitlink_malformed"
  | "before_mismatch"
  | "file_in_the_way"
  | "directory_in_the_way"
  | "absent"
  | "tree_missing"

/** Why the steps cannot be planned. `entryId` and `path` are empty only for `no_steps`. */
export interface PlanProblem {
  readonly kind: PlanProblemKind
  readonly entryId: string
  readonly path: string
  readonly message: string
}

/** Every path the steps touch: the trees along them must be loaded before planning. */
export const touchedPaths = (steps: readonly LandingStep[]): readonly string[] =>
  Array.from(new Set(steps.flatMap((step) => step.effects.map((effect) => effect.path)))).sort()

const text = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("utf8")

const GITLINK = /^Subproject commit ([0-9a-f]{40})\n?$/

const gitlinkOid = (state: FileState): Oid | null => GITLINK.exec(text(state.bytes))?.[1] ?? null

const unsafe = (path: string, after: FileState | null): readonly [PlanProblemKind, string] | null => {
  const [problem] = pathProblems(path, { style: "posix", isNew: false })
  if (problem) return ["path_unsafe", problem.message]
  if (after?.mode !== "120000") return null
  const [outside] = linkTargetProblems(path, text(after.bytes))
  return outside ? ["link_target", outside.message] : null
}

const sameEntry = (left: BlobEntry | null, right: BlobEntry | null): boolean =>
  left?.oid === right?.oid && left?.mode === right?.mode

/** Turns one side of an effect into a tree entry; keeps the blob when it may have to be written. */
const entryOf = (
  state: FileState | null,
  keep?: (object: GitObject) => void,
): BlobEntry | null | "malformed" => {
  if (state === null) return null
  if (state.mode === "160000") {
    const oid = gitlinkOid(state)
    return oid === null ? "malformed" : { mode: state.mode, oid }
  }
  const blob = makeObject("blob", state.bytes)
  keep?.(blob)
  return { mode: state.mode, oid: blob.oid }
}

/**
 * Computes every tree and commit of the chain. Pure: `read` gives trees loaded before (GitRepository.treesAlong over
 * `touchedPaths`). The same steps, base and signatures give the same plan, so a preview and a landing cannot differ.
 */
export const planLanding = (input: PlanInput, read: TreeReader): Result<ApplyPlan, PlanProblem> => {
  const objects = new Map<Oid, GitObject>()
  const keep = (object: GitObject) => void objects.set(object.oid, object)
  const readNow: TreeReader = (oid) => objects.get(oid)?.body ?? read(oid)
  const firstBefore = new Map<string, BlobEntry | null>()
  const lastAfter = new Map<string, { readonly entry: BlobEntry | null; readonly bytes: Uint8Array | null }>()
  const steps: PlannedStep[] = []
  let tree = input.baseTree
  let parent = input.baseCommit

  for (const step of input.steps) {
    const { entryId } = step
    const problem = (kind: PlanProblemKind, path: string, message: string) =>
      fail({ kind, entryId, path, message })
    const effects: PlannedEffect[] = []
    const changes = new Map<string, BlobEntry | null>()
    for (const { path, before, after } of step.effects) {
      const wrong = unsafe(path, after)
      if (wrong) return problem(wrong[0], path, wrong[1])
      if (changes.has(path)) return problem("path_twice", path, `${path} is changed twice by one step`)
      const from = entryOf(before)
      const to = entryOf(after, keep)
      if (from === "malformed" || to === "malformed") {
        return problem("gitlink_malformed", path, `${path} is a submodule entry without a commit id`)
      }
      const current = findFile(tree, path, readNow)
      if (current === undefined)
        return problem("tree_missing", path, `a tree on the way to ${path} was not loaded`)
      if (!sameEntry(current, from)) {
        return problem("before_mismatch", path, `${path} is not the file the step was made for`)
      }
      if (!firstBefore.has(path)) firstBefore.set(path, from)
      lastAfter.set(path, { entry: to, bytes: after?.bytes ?? null })
      effects.push({ path, before: from, after: to })
      if (!sameEntry(from, to)) changes.set(path, to)
    }
    const edited = editTree(tree, changes, readNow)
    if (!edited.ok) {
      const { kind, path } = edited.error
      return problem(kind, path, `${kind.replaceAll("_", " ")} at ${path}`)
    }
    edited.value.trees.forEach(keep)
    tree = edited.value.root
    const { author, committer, message } = step
    const commit = makeObject(
      "commit",
      serialiseCommit({ tree, parents: parent === null ? [] : [parent], author, committer, message }),
    )
    keep(commit)
    parent = commit.oid
    steps.push({ entryId, tree, commit: commit.oid, effects })
  }
  if (parent === null || steps.length === 0) {
    return fail({ kind: "no_steps", entryId: "", path: "", message: "there is nothing to land" })
  }
  const net = Array.from(lastAfter, ([path, { entry, bytes }]): NetEffect => {
    return { path, before: firstBefore.get(path) ?? null, after: entry, bytes }
  })
    .filter((effect) => !sameEntry(effect.before, effect.after))
    .sort((left, right) => (left.path < right.path ? -1 : 1))
  return ok({
    baseCommit: input.baseCommit,
    baseTree: input.baseTree,
    steps,
    tip: parent,
    tipTree: tree,
    objects: Array.from(objects.values()),
    net,
  } as Omit<ApplyPlan, typeof planned> as ApplyPlan)
}
