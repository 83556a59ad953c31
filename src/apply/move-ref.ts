import * as Effect from "effect/Effect"
import { counted } from "../domain/words.ts"
import type { GitRepositoryShape } from "../platform/git/GitRepository.ts"
import type { LandOptions } from "./ApplyService.ts"
import { BaseMoved, LandingFailed } from "./errors.ts"
import { fileName } from "./folders.ts"
import type { ApplyPlan } from "./plan.ts"
import { failedAt } from "./surroundings.ts"

/** The same failure, but what was done could not be taken back: the journal's record stays open. */
export const needsRecovery = (failure: LandingFailed): LandingFailed =>
  new LandingFailed({
    operation: failure.operation,
    path: failure.path,
    code: failure.code,
    left: failure.left,
    outcome: "needs_recovery",
  })

const defaultMessage = (plan: ApplyPlan): string => `hyperion: land ${counted(plan.steps.length, "change")}`

/** Moving the branch to the plan's tip and back, by compare-and-swap. `gitDir`: whose HEAD's reflog to keep too. */
export const makeRefMoves = (git: GitRepositoryShape) => {
  /** When git's answer leaves it open whether the ref moved, the ref itself is asked; `moved` is called if so. */
  const moveRef = (
    plan: ApplyPlan,
    options: LandOptions,
    gitDir: string | null,
    moved: () => void,
  ): Effect.Effect<void, BaseMoved | LandingFailed> =>
    Effect.gen(function* () {
      const { branch, durable, message } = options
      const result = yield* Effect.either(
        git.updateRef({
          ref: branch,
          newOid: plan.tip,
          expected: plan.baseCommit,
          message: message ?? defaultMessage(plan),
          durable,
          mark: fileName(options.landingId),
          // With a working tree to bring along, the ref is written and flushed together with that.
          ...(gitDir !== null && { gitDir, isPrepared: true, flushesLater: true }),
        }),
      )
      if (result._tag === "Right") return moved()
      const error = result.left
      if (error._tag === "RefMoved") {
        return yield* new BaseMoved({ branch, expected: error.expected, actual: error.actual })
      }
      const actual = yield* Effect.mapError(git.resolveRef(branch), (unread) =>
        needsRecovery(failedAt("read", branch, unread)),
      )
      if (actual === plan.tip) moved()
      return yield* failedAt("move", branch, error)
    })

  const moveRefBack = (
    plan: ApplyPlan,
    options: LandOptions,
    gitDir: string | null,
  ): Effect.Effect<void, LandingFailed> =>
    git
      .updateRef({
        ref: options.branch,
        newOid: plan.baseCommit,
        expected: plan.tip,
        message: "hyperion: undo landing",
        durable: options.durable,
        mark: fileName(options.landingId),
        ...(gitDir !== null && { gitDir }),
      })
      .pipe(Effect.mapError((error) => needsRecovery(failedAt("move back", options.branch, error))))

  return { moveRef, moveRefBack }
}
