/** One stored row of the audit log. `data` and `counts` are JSON; `at` is epoch milliseconds. */
export interface AuditRow {
  readonly seq: number
  readonly at: number
  readonly event: string
  readonly entry_id: number | null
  /** The row before it about the same entry. */
  readonly entry_previous: number | null
  readonly subject: string | null
  readonly actor: string
  readonly data: string
  readonly counts: string
  readonly hash: string
}

export const AUDIT_ROW = "SELECT * FROM audit WHERE seq = ?"
export const ROWS_AFTER = "SELECT * FROM audit WHERE seq > ? ORDER BY seq LIMIT ? + 0"
/** Newest first. */
export const RECENT_AUDIT = "SELECT * FROM audit WHERE seq < ? AND at >= ? ORDER BY seq DESC LIMIT ? + 0"
