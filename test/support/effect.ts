// @effect-diagnostics strictEffectProvide:off -- the one place where tests provide their layers
import { it as bunIt } from "bun:test"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as TestClock from "effect/TestClock"
import * as TestContext from "effect/TestContext"

/** Where the test clock stands when a test begins: 2026-03-01T12:00:00Z, so that times look like times. */
export const START = Date.parse("2026-03-01T12:00:00.000Z")

/** Runs to the value; a failure is thrown with its pretty-printed cause, not as a fiber dump. */
const settled = async <A, E>(effect: Effect.Effect<A, E>): Promise<A> => {
  const exit = await Effect.runPromiseExit(effect)
  if (Exit.isSuccess(exit)) return exit.value
  const squashed = Cause.squash(exit.cause)
  // An assertion keeps its own error, so that the runner shows its diff.
  if (squashed instanceof Error && !("_tag" in squashed)) throw squashed
  throw new Error(Cause.pretty(exit.cause, { renderErrorCause: true }))
}

/** Runs `body` on the real clock with a fresh `layer`, outside any test: for property tests and hooks. */
export const runLive = <A, E, R, LE>(
  layer: Layer.Layer<R, LE>,
  body: Effect.Effect<A, E, R | Scope.Scope>,
): Promise<A> => settled(body.pipe(Effect.scoped, Effect.provide(layer)))

/** The same under a test clock that stands at `START`. */
export const runTest = <A, E, R, LE>(
  layer: Layer.Layer<R, LE>,
  body: Effect.Effect<A, E, R | Scope.Scope>,
): Promise<A> =>
  settled(
    TestClock.setTime(START).pipe(
      Effect.zipRight(body),
      Effect.scoped,
      Effect.provide(Layer.provideMerge(layer, TestContext.TestContext)),
    ),
  )

/** For the rare test that gives one effect a layer or context of its own. */
export const providing: typeof Effect.provide = Effect.provide

/** Tests whose body is an Effect; `layer` is the service graph, built fresh for each of them. */
export const withLayer = <R, LE>(layer: Layer.Layer<R, LE>) => ({
  /** Under a test clock: time moves by `TestClock.adjust` only. */
  effect: <A, E>(name: string, body: () => Effect.Effect<A, E, R | Scope.Scope>, timeoutMs?: number) =>
    bunIt(name, () => runTest(layer, Effect.suspend(body)).then(() => undefined), timeoutMs),
  /** On the real clock. */
  live: <A, E>(name: string, body: () => Effect.Effect<A, E, R | Scope.Scope>, timeoutMs?: number) =>
    bunIt(name, () => runLive(layer, Effect.suspend(body)).then(() => undefined), timeoutMs),
})

export const it = Object.assign(bunIt, withLayer(Layer.empty))
