/** One stored row of the audit log. */
export interface AuditLogRow {
  readonly seq: number
  readonly at: number
  readonly event: string
  readonly entry_id: number | null
  readonly entry_previous: number | null
  readonly subject: string | null
  readonly actor: string
  readonly data: string
  readonly counts: string
  readonly hash: string
}

export const ROWS_AFTER = "SELECT * FROM audit WHERE seq > ? ORDER BY seq LIMIT ?"
export const CASTS_AFTER = `SELECT e.id, e.cast_id, e.checksum, p.body FROM entry e
  LEFT JOIN entry_payload p ON p.id = e.id WHERE e.id > ? ORDER BY e.id LIMIT ?`
export const STATES_NOW = "SELECT state, count(*) AS n FROM entry GROUP BY state"
