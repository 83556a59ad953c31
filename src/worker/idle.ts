import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Scope from "effect/Scope"
import type { Millis } from "../domain/time.ts"
import type { Bell } from "../platform/Bell.ts"
import { Database } from "../platform/Database.ts"
import { pauseAfter, pulseOf } from "../queue/pulse.ts"
import { QueueService } from "../queue/QueueService.ts"

/**
 * How long an idle worker waits at most while entries are undecided: what frees one may lie outside the queue (a file
 * that was cleaned, a branch that moved, a time that came).
 */
const UNDECIDED_MS: Millis = 1_000
/** With nothing undecided only another process's commit makes work. */
const EMPTY_MS: Millis = 5_000

/**
 * Waits for a commit, and remembers how long the queue has been quiet. Reads, and writes nothing. `waited` is told how
 * long each pause between two glances was.
 */
export const idleWaits = Effect.fn("worker.idleWaits")(function* (waited: (ms: Millis) => void) {
  const queue = yield* QueueService
  const { listen } = yield* Database
  // Not before something is waited for: a run that ends by itself never is.
  const scope = yield* Effect.scope
  let bell: Bell | null = null
  let quiet: Millis = 0
  let pulse = yield* queue.read(pulseOf)
  return {
    /** To be called before a look: what is committed during the look ends the wait after it at once. */
    mark: Effect.map(queue.read(pulseOf), (now) => {
      if (now !== pulse) quiet = 0
      pulse = now
    }),
    wait: Effect.fn("worker.idle")(function* (isEmpty: boolean) {
      bell ??= yield* Effect.uninterruptible(Scope.extend(listen, scope))
      const longest = isEmpty ? EMPTY_MS : UNDECIDED_MS
      for (let sum: Millis = 0; sum < longest; ) {
        if ((yield* queue.read(pulseOf)) !== pulse) return
        const since = yield* Clock.currentTimeMillis
        yield* bell.wait(Math.min(pauseAfter(quiet, bell.hears), longest - sum))
        const pause = (yield* Clock.currentTimeMillis) - since
        waited(pause)
        sum += pause
        quiet += pause
      }
    }),
  }
})
