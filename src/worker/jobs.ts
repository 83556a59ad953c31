import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Queue from "effect/Queue"
import * as Scope from "effect/Scope"

/** `line`: what lands, one at a time. `proof`: what is proven beside it. */
export type JobKind = "line" | "proof"

export interface Jobs<E, R> {
  readonly running: () => number
  readonly isRunning: (kind: JobKind) => boolean
  /** Starts a job; it ends with the scope that the jobs were made in. */
  readonly start: (kind: JobKind, job: Effect.Effect<void, E, R>) => Effect.Effect<void, never, R>
  /** Waits until a job has ended. */
  readonly ended: Effect.Effect<void>
  /** Forgets jobs that have ended; fails as the first that failed. */
  readonly reap: Effect.Effect<void, E>
}

/** Jobs side by side, within the scope. */
export const makeJobs = <E, R>(): Effect.Effect<Jobs<E, R>, never, Scope.Scope> =>
  Effect.gen(function* () {
    const scope = yield* Scope.Scope
    const bell = yield* Queue.sliding<void>(1)
    const jobs = new Map<Fiber.RuntimeFiber<void, E>, JobKind>()
    return {
      running: () => jobs.size,
      isRunning: (kind) => [...jobs.values()].includes(kind),
      start: (kind, job) =>
        Effect.map(Effect.forkIn(job, scope), (fiber) => {
          jobs.set(fiber, kind)
          // Not by the job itself: it would ring before it has ended.
          fiber.addObserver(() => void bell.unsafeOffer(undefined))
        }),
      ended: Queue.take(bell),
      reap: Effect.suspend(() =>
        Effect.forEach(
          [...jobs.keys()].filter((fiber) => fiber.unsafePoll() !== null),
          (fiber) => {
            jobs.delete(fiber)
            return Fiber.join(fiber)
          },
          { discard: true },
        ),
      ),
    }
  })
