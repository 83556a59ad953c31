import type { EntryState } from "../domain/entry.ts"

export const DATA_OF_ROW = "SELECT data FROM audit WHERE seq = ?"

/** An entry with everything the log can prove about it. Bodies are null when there are none. */
export interface StoredEntry {
  readonly id: number
  readonly cast_id: string
  readonly checksum: string
  readonly request_id: string
  readonly task_id: string
  readonly agent: string
  readonly payload_hash: string
  readonly priority: number
  readonly state: EntryState
  readonly held: number
  readonly audit_seq: number
  readonly body: string | null
  readonly receipt: string | null
  readonly result_tree: string | null
  readonly approval_digest: string | null
}
export const ENTRIES_AFTER = `SELECT e.id, e.cast_id, e.checksum, e.request_id, e.task_id, e.agent, e.payload_hash,
    e.priority, e.state, e.held, e.audit_seq, p.body, r.body AS receipt, v.result_tree, v.approval_digest
  FROM entry e LEFT JOIN entry_payload p ON p.id = e.id LEFT JOIN receipt r ON r.entry_id = e.id
    LEFT JOIN verification v ON v.entry_id = e.id
  WHERE e.id > ? ORDER BY e.id LIMIT ? + 0`

export interface StoredDecision {
  readonly id: number
  readonly entry_id: number | null
  readonly request_id: string | null
  readonly decision: "approve" | "reject"
  readonly approver: string
  readonly note: string | null
  readonly role: string | null
  readonly digest: string
  readonly presence: string
  readonly attested: number
  readonly signature: string | null
  readonly acknowledged: string
}
export const DECISIONS_AFTER = "SELECT * FROM approval WHERE id > ? ORDER BY id LIMIT ? + 0"

/** A read that sees one moment. Kept short: an open one keeps the WAL from being reset. */
export const BEGIN_READ = "BEGIN"
export const END_READ = "COMMIT"
