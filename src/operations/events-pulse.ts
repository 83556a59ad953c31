import * as Effect from "effect/Effect"
import type { Millis } from "../domain/time.ts"
import { auditHead } from "../platform/audit-append.sql.ts"
import { dataVersion } from "../platform/data-version.ts"
import { QueueService } from "../queue/QueueService.ts"

/** How long to pause before the next look, by how long nothing has happened: fast while the queue moves. */
export const pauseAfter = (quiet: Millis): Millis => (quiet < 2_000 ? 3 : quiet < 20_000 ? 25 : 100)

type Sqlite = Parameters<typeof auditHead>[0]

/**
 * Looks at once, and again after every commit, until `look` gives something. Nothing is held between two looks: no
 * transaction, no statement. Other processes' commits show in the data version, this process's own in the log.
 */
export const untilSeen = Effect.fn("operations.untilSeen")(function* <A>(look: (db: Sqlite) => A | null) {
  const queue = yield* QueueService
  const stamp = (db: Sqlite) => `${dataVersion(db)} ${auditHead(db).seq}`
  let quiet: Millis = 0
  for (;;) {
    const { found, version } = yield* queue.read((db) => {
      // Before the look: what is committed after it makes another.
      const before = stamp(db)
      return { found: look(db), version: before }
    })
    if (found !== null) return found
    do {
      const pause = pauseAfter(quiet)
      yield* Effect.sleep(pause)
      quiet += pause
    } while ((yield* queue.read(stamp)) === version)
    quiet = 0
  }
})
