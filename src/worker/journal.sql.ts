import { waitingIn } from "../queue/queue.sql.ts"

/** Landings that were begun and not ended; every one of another process may be a live one. */
export interface OpenLanding {
  readonly id: string
  readonly record: string
  readonly created_at: number
}

export const PUT_LANDING = "INSERT INTO landing_journal (id, record, created_at) VALUES (?, ?, ?)"
export const DROP_LANDING = "DELETE FROM landing_journal WHERE id = ?"
export const OPEN_LANDINGS = "SELECT id, record, created_at FROM landing_journal ORDER BY created_at, id"
export const OPEN_LANDING_IDS = "SELECT id FROM landing_journal"
/** There are few, whatever the size of the queue. */
export const COMMITTING = `SELECT id, leased_until FROM entry WHERE ${waitingIn("committing")}`
