import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { prepareRefFile } from "../platform/git/ref-file.ts"
import type { Worktree } from "../platform/git/worktrees.ts"
import type { LandingResult, LandOptions } from "./ApplyService.ts"
import { type BaseMoved, LandingBlocked, LandingFailed } from "./errors.ts"
import { fileName } from "./folders.ts"
import type { ExchangeMode, LandingRecord } from "./LandingJournal.ts"
import { makeRefMoves, needsRecovery } from "./move-ref.ts"
import { dropName } from "./placing.ts"
import type { ApplyPlan } from "./plan.ts"
import { stageContents } from "./stage.ts"
import { failedAt, type LandingDependencies, type Look, makeSurroundings, touching } from "./surroundings.ts"
import { makeWorktreeLanding } from "./worktree-landing.ts"

export type LandError = LandingBlocked | BaseMoved | LandingFailed

/** A landing, in this order: look, objects, stage, journal, lock, ref, files, index. */
export const makeLanding = (dependencies: LandingDependencies) => {
  const { git, files, journal } = dependencies
  const { moveRef, moveRefBack } = makeRefMoves(git)
  const { expectBase, ownWorktree, holderOf, lookAt, refuseKinds, refuseLocked, refuseConversions } =
    makeSurroundings(dependencies)

  const recordOf = (
    plan: ApplyPlan,
    options: LandOptions,
    worktree: LandingRecord["worktree"],
  ): LandingRecord => ({
    landingId: options.landingId,
    mode: options.mode,
    branch: options.branch,
    base: plan.baseCommit,
    tip: plan.tip,
    durable: options.durable,
    entryIds: plan.steps.map((step) => step.entryId),
    worktree,
  })

  const begin = (record: LandingRecord) =>
    Effect.mapError(journal.begin(record), (error) => failedAt("begin", record.landingId, error))
  const done = (landingId: string, exchange: ExchangeMode) =>
    Effect.mapError(journal.done(landingId, exchange), (error) =>
      needsRecovery(failedAt("close", landingId, error)),
    )
  const undone = (landingId: string) =>
    Effect.mapError(journal.undone(landingId), (error) => needsRecovery(failedAt("close", landingId, error)))

  /** A failure that is not one of ours is a defect: everything is undone all the same. */
  const failureOf = (cause: Cause.Cause<LandError>): LandError => {
    const failure = Cause.failureOption(cause)
    return failure._tag === "Some" ? failure.value : failedAt("land", null, Cause.squash(cause))
  }

  /** The branch is checked out nowhere: only the ref moves. */
  const landRef = (plan: ApplyPlan, options: LandOptions): Effect.Effect<LandingResult, LandError> =>
    Effect.gen(function* () {
      const { branch, landingId } = options
      let hasMoved = false
      yield* begin(recordOf(plan, options, null))
      const exit = yield* Effect.exit(
        Effect.gen(function* () {
          yield* moveRef(plan, options, null, () => {
            hasMoved = true
          })
          // Checked out in the meantime: that working tree now shows the landing undone.
          const holder = yield* holderOf(branch)
          if (holder) {
            return yield* new LandingBlocked({
              reason: "checked_out_elsewhere",
              paths: [holder.root],
              detail: "",
            })
          }
        }),
      )
      if (Exit.isFailure(exit)) {
        const failure = failureOf(exit.cause)
        if (failure._tag === "LandingFailed" && failure.outcome === "needs_recovery") return yield* failure
        if (hasMoved) yield* moveRefBack(plan, options, null)
        yield* undone(landingId)
        return yield* failure
      }
      yield* done(landingId, "none")
      return { tip: plan.tip, branch, worktree: null, exchange: "none", displaced: [] }
    })

  /** Without a commit there is nothing of the repository's to keep them for: ours is enough to read them from. */
  const storeObjects = ({ objects }: ApplyPlan, { mode, durable, branch }: LandOptions) =>
    Effect.mapError(
      mode === "commit" ? git.writeObjects(objects, { durable }) : git.keepObjects(objects),
      (error) => failedAt("write objects of", branch, error),
    )

  const landTree = makeWorktreeLanding(dependencies)

  const landInto = (
    holder: Worktree,
    plan: ApplyPlan,
    options: LandOptions,
    look: Look,
  ): Effect.Effect<LandingResult, LandError> =>
    Effect.gen(function* () {
      const { stageDir, landingId, branch, durable } = options
      const { inspection } = look
      const removeStage = Effect.ignore(touching("remove", stageDir, () => files.removeAll(stageDir)))
      const staged = yield* touching("stage", stageDir, () =>
        stageContents(files, stageDir, plan.net, inspection.indexOnly),
      )
      const own = `${holder.gitDir}/hyperion-${fileName(landingId)}`
      const lock = {
        path: `${holder.gitDir}/index.lock`,
        content: `hyperion landing ${landingId}\n`,
        mark: `${own}.lock`,
      }
      const mark = fileName(landingId)
      const isPrepared = options.mode === "commit" && git.layout.refStorage === "files"
      const clear = Effect.all([
        removeStage,
        Effect.ignore(touching("remove", lock.mark, () => dropName(files, lock.mark))),
        Effect.ignore(git.releaseRef(branch, mark)),
      ])
      const prepared = yield* touching("write", lock.mark, () => {
        dropName(files, lock.mark)
        files.create(lock.mark, Buffer.from(lock.content), 0o666)
        return isPrepared ? prepareRefFile(git.layout, branch, plan.tip, mark) : []
      }).pipe(Effect.tapError(() => clear))
      const worktree = {
        root: holder.root,
        gitDir: holder.gitDir,
        stageDir,
        lock,
        newIndex: `${own}.index`,
        files: staged.files,
        newFolders: inspection.newFolders,
      }
      const flushed = Effect.tryPromise({
        try: () => (durable ? files.flush([...staged.flush, lock.mark, ...prepared]) : Promise.resolve()),
        catch: (error) => failedAt("flush", stageDir, error),
      })
      // Side by side: the disk's commits are what a landing waits for.
      yield* Effect.all([flushed, storeObjects(plan, options)], { concurrency: "unbounded" }).pipe(
        Effect.zipRight(refuseConversions(plan)),
        Effect.zipRight(begin(recordOf(plan, options, worktree))),
        Effect.tapError(() => clear),
      )
      const landing = landTree({ holder, plan, options, look, staged, worktree })
      const exit = yield* Effect.exit(landing.run)
      if (Exit.isFailure(exit)) {
        const failure = failureOf(exit.cause)
        if (
          landing.isVisible() ||
          (failure._tag === "LandingFailed" && failure.outcome === "needs_recovery")
        ) {
          return yield* needsRecovery(
            failure._tag === "LandingFailed" ? failure : failedAt("land", null, failure),
          )
        }
        const { left, keepStage } = yield* landing.undo
        yield* Effect.ignore(git.releaseRef(branch, mark))
        if (!keepStage) yield* removeStage
        yield* undone(landingId)
        if (left.length === 0) return yield* failure
        const base = failure._tag === "LandingFailed" ? failure : failedAt("land", null, failure)
        return yield* new LandingFailed({
          operation: base.operation,
          path: base.path,
          code: base.code,
          outcome: "undone",
          left,
        })
      }
      yield* done(landingId, exit.value.mode)
      return {
        tip: options.mode === "commit" ? plan.tip : null,
        branch,
        worktree: holder.root,
        exchange: exit.value.mode,
        displaced: exit.value.displaced,
      }
    })

  const land = (plan: ApplyPlan, asked: LandOptions): Effect.Effect<LandingResult, LandError> =>
    Effect.gen(function* () {
      const branch = yield* Effect.mapError(git.finalRef(asked.branch), (error) =>
        failedAt("read", asked.branch, error),
      )
      const options = { ...asked, branch }
      const isCommit = asked.mode === "commit"
      if (isCommit) yield* expectBase(branch, plan.baseCommit)
      const holder = isCommit ? yield* holderOf(branch) : yield* ownWorktree
      if (holder) {
        yield* refuseKinds(plan)
        yield* refuseLocked(holder)
      }
      const look = holder && (yield* lookAt(holder, plan, isCommit, null))
      if (!holder || !look) {
        yield* storeObjects(plan, options)
        return yield* Effect.uninterruptible(landRef(plan, options))
      }
      return yield* Effect.uninterruptible(landInto(holder, plan, options, look))
    })

  return { land }
}
