import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type { Millis } from "../domain/time.ts"
import { Database } from "../platform/Database.ts"
import { pauseAfter, pulseOf } from "../queue/pulse.ts"
import { QueueService } from "../queue/QueueService.ts"

type Sqlite = Parameters<typeof pulseOf>[0]

/** Looks at once, and again after every commit of anybody, until `look` gives something. */
export const untilSeen = Effect.fn("operations.untilSeen")(function* <A>(look: (db: Sqlite) => A | null) {
  const queue = yield* QueueService
  // Before the look: what is committed after it makes another.
  const seen = queue.read((db) => ({ pulse: pulseOf(db), found: look(db) }))
  const first = yield* seen
  if (first.found !== null) return first.found
  const bell = yield* (yield* Database).listen
  let { pulse } = first
  let quiet: Millis = 0
  for (;;) {
    while ((yield* queue.read(pulseOf)) === pulse) {
      const since = yield* Clock.currentTimeMillis
      yield* bell.wait(pauseAfter(quiet, bell.hears))
      quiet += (yield* Clock.currentTimeMillis) - since
    }
    const next = yield* seen
    if (next.found !== null) return next.found
    pulse = next.pulse
    quiet = 0
  }
}, Effect.scoped)
