import * as Effect from "effect/Effect"
import { refFolders } from "../platform/git/ref-file.ts"
import type { Worktree } from "../platform/git/worktrees.ts"
import type { LandOptions } from "./ApplyService.ts"
import { type BaseMoved, LandingBlocked, type LandingFailed } from "./errors.ts"
import { type Displaced, makeExchange, type Undone } from "./exchange.ts"
import { openFolders, parentsOf } from "./folders.ts"
import type { RecordedWorktree } from "./LandingJournal.ts"
import { makeRefMoves, needsRecovery } from "./move-ref.ts"
import { dropName, linkOrCreate } from "./placing.ts"
import type { ApplyPlan } from "./plan.ts"
import type { Staged } from "./stage.ts"
import { failedAt, type LandingDependencies, type Look, makeSurroundings, touching } from "./surroundings.ts"
import { nextIndex, type ReadIndex } from "./worktree-index.ts"

export interface WorktreeLandingInput {
  readonly holder: Worktree
  readonly plan: ApplyPlan
  readonly options: LandOptions
  /** From before the lock. */
  readonly look: Look
  readonly staged: Staged
  readonly worktree: RecordedWorktree
}

const isTaken = (error: unknown): boolean => (error as { readonly code?: unknown }).code === "EEXIST"

/** Between the journal's `begin` and its end: from taking the index lock to giving it back, and the way back. */
export const makeWorktreeLanding = (dependencies: LandingDependencies) => (input: WorktreeLandingInput) => {
  const { git, files } = dependencies
  const { holderOf, lookAt, ownWorktree } = makeSurroundings(dependencies)
  const { moveRef, moveRefBack } = makeRefMoves(git)
  const { holder, plan, options, look, staged, worktree } = input
  const { gitDir, root, lock } = worktree
  const folders = openFolders(files, root)
  const exchange = makeExchange(files, folders, worktree.stageDir, git.layout.fileMode)
  const isCommit = options.mode === "commit"
  let isLocked = false
  let hasMoved = false
  let isVisible = false

  /** The lock appears complete, with our mark in it: its owner can be told at any moment. */
  const takeLock = () => {
    try {
      linkOrCreate(files, lock.mark, lock.path, lock.content)
      isLocked = true
    } catch (error) {
      if (!isTaken(error)) throw error
      throw new LandingBlocked({ reason: "index_locked", paths: [lock.path], detail: "" })
    }
  }

  const acquire = Effect.try({
    try: takeLock,
    catch: (error) => (error instanceof LandingBlocked ? error : failedAt("lock", lock.path, error)),
  })

  const lookAgain = Effect.gen(function* () {
    const now = isCommit ? yield* holderOf(options.branch) : yield* ownWorktree
    if (now?.gitDir !== gitDir) {
      return yield* new LandingBlocked({ reason: "checked_out_elsewhere", paths: [root], detail: "" })
    }
    const again = yield* lookAt(holder, plan, isCommit, look)
    const [before, after] = [look.inspection.indexOnly, again.inspection.indexOnly]
    const changed = [...before, ...after].filter((path) => before.has(path) !== after.has(path))
    if (changed.length > 0) return yield* new LandingBlocked({ reason: "dirty", paths: changed, detail: "" })
    return again
  })

  const writeIndex = (read: ReadIndex) => {
    const mode = read.stat ? Number(read.stat.mode & 0o777n) : 0o666
    files.create(worktree.newIndex, nextIndex(files, folders, read, worktree.files, staged.stats), mode)
  }

  const flush = (paths: readonly string[]): Effect.Effect<void, LandingFailed> =>
    options.durable
      ? Effect.tryPromise({
          try: () => files.flush(paths.filter((path) => files.stat(path) !== null)),
          catch: (error) => failedAt("flush", root, error),
        })
      : Effect.void

  const touched = Array.from(
    new Set([
      root,
      ...worktree.files.flatMap((file) => parentsOf(file.path)).map((folder) => `${root}/${folder}`),
    ]),
  )

  const run: Effect.Effect<
    { readonly mode: "atomic" | "fallback"; readonly displaced: readonly Displaced[] },
    LandingBlocked | BaseMoved | LandingFailed
  > = Effect.gen(function* () {
    yield* acquire
    const { read, inspection } = yield* lookAgain
    if (isCommit)
      yield* moveRef(plan, options, gitDir, () => {
        hasMoved = true
      })
    yield* touching("exchange files of", root, () => exchange.run(worktree.files, inspection.newFolders))
    if (read) yield* touching("write", worktree.newIndex, () => writeIndex(read))
    const moved = isCommit && git.layout.refStorage === "files" ? refFolders(git.layout, options.branch) : []
    yield* flush([...moved, ...touched, worktree.newIndex, worktree.stageDir])
    yield* touching("publish", `${gitDir}/index`, () => {
      if (read) files.rename(worktree.newIndex, `${gitDir}/index`)
      isVisible = true
      files.unlink(lock.path)
    })
    // Only a name by now: the next start tidies it up.
    yield* Effect.ignore(touching("unlink", lock.mark, () => files.unlink(lock.mark)))
    yield* flush([gitDir])
    return { mode: exchange.mode(), displaced: exchange.displaced() }
  }).pipe(Effect.ensuring(Effect.sync(() => isVisible && folders.close())))

  /** First the ref, then the files: whoever reads the ref in between finds what recovery would go by. */
  const undo: Effect.Effect<Undone, LandingFailed> = Effect.gen(function* () {
    if (hasMoved) yield* moveRefBack(plan, options, gitDir)
    const undone = yield* Effect.try({
      try: () => {
        const result = exchange.undo()
        for (const path of [worktree.newIndex, lock.mark]) dropName(files, path)
        return result
      },
      catch: (error) => needsRecovery(failedAt("undo", root, error)),
    })
    yield* Effect.mapError(flush(touched), needsRecovery)
    yield* Effect.try({
      try: () => {
        if (isLocked) files.unlink(lock.path)
      },
      catch: (error) => needsRecovery(failedAt("unlock", lock.path, error)),
    })
    return undone
  }).pipe(Effect.ensuring(Effect.sync(() => folders.close())))

  return { run, undo, isVisible: () => isVisible }
}
