import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Queue from "effect/Queue"
import * as Scope from "effect/Scope"

/** `line`: what is to land, one group at a time. `proof`: what is proven beside it. */
export type Lane = "line" | "proof"

/** What a worker does at the same time. */
export interface Pool<E, R> {
  readonly running: () => number
  readonly isRunning: (lane: Lane) => boolean
  /** Starts something; it ends with the scope that the pool was made in. */
  readonly start: (lane: Lane, body: Effect.Effect<void, E, R>) => Effect.Effect<void, never, R>
  /** Waits until something has ended. */
  readonly ended: Effect.Effect<void>
  /** Forgets what has ended; fails as the first that failed. */
  readonly reap: Effect.Effect<void, E>
}

export const makePool = <E, R>(): Effect.Effect<Pool<E, R>, never, Scope.Scope> =>
  Effect.gen(function* () {
    const scope = yield* Scope.Scope
    const bell = yield* Queue.sliding<void>(1)
    const fibers = new Map<Fiber.RuntimeFiber<void, E>, Lane>()
    return {
      running: () => fibers.size,
      isRunning: (lane) => [...fibers.values()].includes(lane),
      start: (lane, body) =>
        Effect.map(Effect.forkIn(body, scope), (fiber) => {
          fibers.set(fiber, lane)
          // Not by the body itself: it would ring before it has ended.
          fiber.addObserver(() => void bell.unsafeOffer(undefined))
        }),
      ended: Queue.take(bell),
      reap: Effect.suspend(() =>
        Effect.forEach(
          [...fibers.keys()].filter((fiber) => fiber.unsafePoll() !== null),
          (fiber) => {
            fibers.delete(fiber)
            return Fiber.join(fiber)
          },
          { discard: true },
        ),
      ),
    }
  })
