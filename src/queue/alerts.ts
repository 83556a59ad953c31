import type { Database } from "bun:sqlite"
import type { Millis } from "../domain/time.ts"
import { type AuditRow, ROWS_AFTER } from "../platform/audit.sql.ts"
import { auditHead } from "../platform/audit-append.sql.ts"
import { GET_META, SET_META } from "../platform/meta.sql.ts"

export type AlertName = "conflict" | "dead_letter" | "freeze" | "landed" | "approval_missing"

/** The events of the log that people ask to hear of, by the name under which they do. */
const NAMES: Readonly<Record<string, AlertName>> = {
  conflicted: "conflict",
  foreign_edit: "conflict",
  failed: "dead_letter",
  expired: "dead_letter",
  frozen: "freeze",
  applied: "landed",
  approval_missing: "approval_missing",
}

export interface Alert {
  readonly name: AlertName
  readonly row: AuditRow
}

const KEY = "alerts_seq"
const CHUNK = 500
/** What is older is no news: a worker that starts after a week does not announce the week. */
const FRESH_MS: Millis = 3_600_000

/** The last row up to which alerts were claimed by anybody; null when none ever was. */
export const claimedAlerts = (db: Database): number | null => {
  const value = db.query<{ value: string }, [string]>(GET_META).get(KEY)?.value
  return value === undefined ? null : Number(value)
}

/** The next alert behind `after`, or behind the last one claimed; null when there is none. Only reads. */
export const nextAlert = (db: Database, after: number, at: Millis): Alert | null => {
  const head = auditHead(db).seq
  for (let from = Math.max(after, claimedAlerts(db) ?? 0); from < head; ) {
    const rows = db.query<AuditRow, [number, number]>(ROWS_AFTER).all(from, CHUNK)
    const row = rows.find((one) => NAMES[one.event] !== undefined && one.at > at - FRESH_MS)
    if (row) return { name: NAMES[row.event]!, row }
    from = rows.at(-1)?.seq ?? head
  }
  return null
}

/** Takes the next alert for this process alone: several workers announce each event once. */
export const claimAlert = (db: Database, after: number, at: Millis): Alert | null => {
  const alert = nextAlert(db, after, at)
  if (alert) db.query(SET_META).run(KEY, String(alert.row.seq))
  return alert
}
