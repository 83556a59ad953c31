import type { Database } from "bun:sqlite"
import { type Pace, paceOf, type WorkSpan } from "../domain/eta.ts"
import type { Millis } from "../domain/time.ts"
import { auditHead } from "../platform/audit-append.sql.ts"
import { WORK_SPANS } from "./pace.sql.ts"
import { positionAt, SAMPLE_ROWS } from "./window.ts"

const WINDOW_MS: Millis = 3_600_000
/** What is taken when nothing was worked on within the window: the newest entries before it. */
const OLDER = 50

export interface MeasuredPace extends Pace {
  /** Whether it is from the last hour; else from the last entries before it. */
  readonly recent: boolean
}

/** How fast workers are, by their last hour or else the last entries they had; null when the log tells of none. */
export const measuredPace = (db: Database, at: Millis): MeasuredPace | null => {
  const newest = auditHead(db).seq - SAMPLE_ROWS
  const spans = db.query<WorkSpan, [number, number]>(WORK_SPANS)
  const recent = paceOf(spans.all(Math.max(positionAt(db, at - WINDOW_MS).seq, newest), SAMPLE_ROWS))
  if (recent) return { ...recent, recent: true }
  const older = paceOf(spans.all(newest, OLDER))
  return older && { ...older, recent: false }
}
