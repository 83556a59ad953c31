import * as Effect from "effect/Effect"
import { errnoOf } from "../platform/git/errors.ts"
import type { GitRepositoryShape } from "../platform/git/GitRepository.ts"
import type { Oid } from "../platform/git/objects.ts"
import type { Worktree } from "../platform/git/worktrees.ts"
import { BaseMoved, type BlockReason, LandingBlocked, LandingFailed } from "./errors.ts"
import { ForeignEdit } from "./exchange.ts"
import { type Folders, openFolders } from "./folders.ts"
import { type Inspection, inspect } from "./inspect.ts"
import type { LandingJournalShape } from "./LandingJournal.ts"
import type { ApplyPlan } from "./plan.ts"
import type { FileOperations } from "./WorktreeFiles.ts"
import { type ReadIndex, readIndex } from "./worktree-index.ts"

export interface LandingDependencies {
  readonly git: GitRepositoryShape
  readonly files: FileOperations
  readonly journal: LandingJournalShape
}

/** The index and the touched paths of a working tree, found fit to land on. */
export interface Look {
  /** null when the index is none of the landing's business. */
  readonly read: ReadIndex | null
  readonly inspection: Inspection
}

const blocked = (reason: BlockReason, paths: readonly string[], detail = "") =>
  new LandingBlocked({ reason, paths, detail })

/** What an operator needs to hear: the errno where there is one, else what the failure says of itself. */
const causeOf = (error: unknown): string => {
  const { code, message } = (error ?? {}) as { readonly code?: unknown; readonly message?: unknown }
  return typeof code !== "string" && typeof message === "string" && message !== "" ? message : errnoOf(error)
}

export const failedAt = (operation: string, path: string | null, error: unknown): LandingFailed =>
  new LandingFailed({
    operation,
    path,
    code: causeOf(error),
    outcome: "undone",
    left: [],
  })

/** Runs file operations; somebody else's edit blocks, a system error fails. */
export const touching = <A>(
  operation: string,
  path: string,
  act: () => A,
): Effect.Effect<A, LandingBlocked | LandingFailed> =>
  Effect.try({
    try: act,
    catch: (error) =>
      error instanceof ForeignEdit ? blocked("dirty", [error.path]) : failedAt(operation, path, error),
  })

/** Questions a landing asks before it changes anything. */
export const makeSurroundings = ({ git, files }: LandingDependencies) => {
  const expectBase = (branch: string, expected: Oid | null) =>
    git.resolveRef(branch).pipe(
      Effect.mapError((error) => failedAt("read", branch, error)),
      Effect.filterOrFail(
        (actual) => actual === expected,
        (actual) => new BaseMoved({ branch, expected, actual }),
      ),
    )

  /** The one working tree that has the branch checked out and is at rest; null when none has. */
  const holderOf = (branch: string): Effect.Effect<Worktree | null, LandingBlocked | LandingFailed> =>
    Effect.gen(function* () {
      const all = yield* Effect.mapError(git.worktrees, (error) => failedAt("read", "worktrees", error))
      const busy = all.find((tree) => tree.returnsTo === branch || (tree.branch === branch && tree.operation))
      if (busy) return yield* blocked("operation_in_progress", [busy.root], busy.operation ?? "")
      const holders = all.filter((tree) => tree.branch === branch)
      if (holders.length > 1) {
        return yield* blocked(
          "checked_out_twice",
          holders.map((tree) => tree.root),
        )
      }
      const [holder] = holders
      if (!holder) return null
      const isThere = yield* touching("stat", holder.root, () => files.stat(holder.root) !== null)
      return isThere ? holder : yield* blocked("worktree_missing", [holder.root])
    })

  /** The working tree we stand in, at rest, whatever it has checked out. */
  const ownWorktree: Effect.Effect<Worktree, LandingBlocked | LandingFailed> = Effect.gen(function* () {
    const { worktree: root, gitDir } = git.layout
    const all = yield* Effect.mapError(git.worktrees, (error) => failedAt("read", "worktrees", error))
    const own = all.find((tree) => tree.gitDir === gitDir)
    if (!own || root === null) return yield* blocked("worktree_missing", [root ?? gitDir])
    if (own.operation) return yield* blocked("operation_in_progress", [own.root], own.operation)
    return own
  })

  const withFolders = <A>(root: string, act: (folders: Folders) => A): A => {
    const folders = openFolders(files, root)
    try {
      return act(folders)
    } finally {
      folders.close()
    }
  }

  /** Is the working tree as the plan's base says, wherever the plan touches it? `earlier` saves reading again. */
  const lookAt = (holder: Worktree, plan: ApplyPlan, withIndex: boolean, earlier: Look | null) =>
    Effect.gen(function* () {
      const result = yield* touching("inspect", holder.root, () => {
        const read = withIndex ? readIndex(files, holder.gitDir, earlier?.read ?? null) : null
        if (read && !read.ok) return read
        const index = read?.value.index ?? null
        const known = earlier?.inspection.identities ?? new Map<string, string>()
        const { fileMode } = git.layout
        const inspection = withFolders(holder.root, (folders) =>
          inspect({ files, folders, index, net: plan.net, fileMode, known }),
        )
        return inspection.ok
          ? { ok: true as const, value: { read: read?.value ?? null, inspection: inspection.value } }
          : inspection
      })
      return result.ok ? result.value : yield* result.error
    })

  /** A glance, so that waiting for somebody's lock writes nothing; the lock itself decides. */
  const refuseLocked = (holder: Worktree) =>
    Effect.gen(function* () {
      const path = `${holder.gitDir}/index.lock`
      const isTaken = yield* touching("stat", path, () => files.stat(path) !== null)
      if (isTaken) return yield* blocked("index_locked", [path])
    })

  /** Kinds of files that we do not check out. */
  const refuseKinds = (plan: ApplyPlan) => {
    const of = (mode: string) =>
      plan.net
        .filter((effect) => effect.before?.mode === mode || effect.after?.mode === mode)
        .map((effect) => effect.path)
    const links = git.layout.symlinks ? [] : of("120000")
    if (links.length > 0) return Effect.fail(blocked("symlink_unsupported", links, "core.symlinks is false"))
    return Effect.void
  }

  /** Paths whose checked-out bytes would not be their blob's. The plan's objects must be written. */
  const refuseConversions = (plan: ApplyPlan) =>
    Effect.gen(function* () {
      const paths = plan.net.filter(({ after }) => after?.mode.startsWith("100")).map((effect) => effect.path)
      const conversions = yield* Effect.mapError(git.checkAttributes(paths, plan.tipTree), (error) =>
        failedAt("read attributes of", plan.tipTree, error),
      )
      const converted = Array.from(conversions).filter(([, conversion]) => conversion !== null)
      if (converted.length === 0) return
      const kinds = Array.from(new Set(converted.map(([, conversion]) => conversion)))
      return yield* blocked(
        "attribute_unsupported",
        converted.map(([path]) => path),
        kinds.join(", "),
      )
    })

  return { expectBase, ownWorktree, holderOf, lookAt, refuseKinds, refuseLocked, refuseConversions }
}
