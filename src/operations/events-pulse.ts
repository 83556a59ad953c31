import * as Effect from "effect/Effect"
import type { Millis } from "../domain/time.ts"
import { pauseAfter, pulseOf } from "../queue/pulse.ts"
import { QueueService } from "../queue/QueueService.ts"

type Sqlite = Parameters<typeof pulseOf>[0]

/** Looks at once, and again after every commit of anybody, until `look` gives something. */
export const untilSeen = Effect.fn("operations.untilSeen")(function* <A>(look: (db: Sqlite) => A | null) {
  const queue = yield* QueueService
  let quiet: Millis = 0
  for (;;) {
    const { found, pulse } = yield* queue.read((db) => {
      // Before the look: what is committed after it makes another.
      const before = pulseOf(db)
      return { found: look(db), pulse: before }
    })
    if (found !== null) return found
    do {
      const pause = pauseAfter(quiet)
      yield* Effect.sleep(pause)
      quiet += pause
    } while ((yield* queue.read(pulseOf)) === pulse)
    quiet = 0
  }
})
