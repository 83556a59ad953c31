export const LOG_AFTER = "SELECT seq, at, event, entry_id FROM audit WHERE seq > ? ORDER BY seq LIMIT ? + 0"
export interface LogStep {
  readonly seq: number
  readonly at: number
  readonly event: string
  readonly entry_id: number | null
}
export const PAYLOAD_SIZE = "SELECT octet_length(body) AS bytes FROM entry_payload WHERE id = ?"
export const DROP_PAYLOAD = "DELETE FROM entry_payload WHERE id = ?"
