/** What decides entries, and what people decide, along the log. */
export const STEPS_AFTER = `SELECT seq, at, event, entry_id, subject, actor, data FROM audit
  WHERE seq > ? AND event IN ('enqueued', 'duplicate', 'applied', 'conflicted', 'foreign_edit', 'failed', 'expired',
    'cancelled', 'rejected', 'superseded', 'approved', 'approval_recorded', 'requeued')
  ORDER BY seq LIMIT ? + 0`
export interface StepRow {
  readonly seq: number
  readonly at: number
  readonly event: string
  readonly entry_id: number | null
  readonly subject: string | null
  readonly actor: string
  readonly data: string
}
