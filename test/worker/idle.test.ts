import { expect } from "bun:test"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { idleWaits } from "../../src/worker/idle.ts"
import { withLayer } from "../support/effect.ts"
import { enqueued, queueInFile } from "../support/queue.ts"

withLayer(queueInFile).effect("a wait that is interrupted does not spoil the next", () =>
  Effect.gen(function* () {
    const idle = yield* idleWaits(() => {})
    yield* idle.mark
    // In the middle of hanging the bell: that takes a turn of the event loop.
    const first = yield* Effect.fork(idle.wait(true))
    yield* Effect.yieldNow()
    yield* Fiber.interrupt(first)
    const second = yield* Effect.fork(idle.wait(true))
    yield* enqueued()
    expect((yield* Fiber.await(second))._tag).toBe("Success")
  }),
)
