import type { Database } from "bun:sqlite"
import type { Millis } from "../domain/time.ts"
import { auditHead } from "../platform/audit-append.sql.ts"
import { dataVersion } from "../platform/data-version.ts"

/**
 * Differs from the last one when anything was committed in between: other processes' commits show in the data version,
 * this process's own in the log. Holds no transaction and no statement.
 */
export const pulseOf = (db: Database): string => `${dataVersion(db)} ${auditHead(db).seq}`

/**
 * How long to pause before the next look at the pulse, by how long nothing has happened: whoever waits while the queue
 * moves hears of a commit within 3 ms, and an idle process costs next to nothing.
 */
export const pauseAfter = (quiet: Millis): Millis => {
  if (quiet < 500) return 3
  if (quiet < 5_000) return 25
  return quiet < 60_000 ? 100 : 250
}
