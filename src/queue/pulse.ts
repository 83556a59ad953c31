import type { Database } from "bun:sqlite"
import type { Millis } from "../domain/time.ts"
import { auditHead } from "../platform/audit-append.sql.ts"
import { dataVersion } from "../platform/data-version.ts"

/**
 * Differs from the last one when anything was committed in between: other processes' commits show in the data version,
 * this process's own in the log. Holds no transaction and no statement.
 */
export const pulseOf = (db: Database): string => `${dataVersion(db)} ${auditHead(db).seq}`

/** Between two glances of who is rung for every commit; commits of programs that ring nobody are seen by them alone. */
const RUNG_MS: Millis = 1_000

/**
 * How long to pause before the next look at the pulse. Who `hears` the bell is woken; who does not looks more often the
 * less time nothing has happened for: it learns of a commit within 3 ms while the queue moves, and costs next to
 * nothing when idle.
 */
export const pauseAfter = (quiet: Millis, hears: boolean): Millis => {
  if (hears) return RUNG_MS
  if (quiet < 500) return 3
  if (quiet < 5_000) return 25
  return quiet < 60_000 ? 100 : 250
}
