export const INSERT_ROW = `INSERT INTO audit
    (seq, at, event, entry_id, entry_previous, subject, actor, data, counts, hash)
  VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`
/** Identity as the log tells it; what only the cast knows comes with the cast. */
export const INSERT_REPLAYED = `INSERT INTO entry (id, cast_id, checksum, request_id, task_id, agent, payload_hash,
    generation, state, priority, rank, max_attempts, expires_at, created_at, updated_at, audit_seq)
  VALUES (?1, ?2, ?3, ?4, ?4, ?5, ?6, ?7, 'pending', ?8, ?9, 5, ?10, ?11, ?11, ?12)`
export const SET_CAST = "UPDATE entry SET request_id = ?2, expires_at = ?3 WHERE id = ?1"
export const PUT_CAST = "INSERT OR IGNORE INTO entry_payload (id, body) VALUES (?, ?)"
export const SET_REPLAYED = `UPDATE entry SET state = ?2, decided = ?3, lease_owner = ?4, leased_until = ?5,
    lease_token = ?6, run_at = ?7, updated_at = ?8, reason_code = ?9, reason = ?10, attempts = ?11, audit_seq = ?12
  WHERE id = ?1`
export const PUT_REPLAYED_RECEIPT =
  "INSERT OR REPLACE INTO receipt (entry_id, commit_id, landed_at, body) VALUES (?, ?, ?, ?)"
export const INSERT_REPLAYED_APPROVAL = `INSERT INTO approval (id, entry_id, request_id, decision, approver, note, role,
    digest, presence, attested, signature, acknowledged, created_at)
  VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`
export const VOID_REPLAYED = `UPDATE approval SET voided_at = ?2, void_reason = ?3
  WHERE entry_id = ?1 AND voided_at IS NULL`
export const INSERT_LETTER = `INSERT INTO dead_letter (entry_id, reason_class, error, report, failed_at)
  VALUES (?, ?, ?, ?, ?)`
export const DROP_LETTERS = "DELETE FROM dead_letter WHERE entry_id = ?"
export const PUT_DEPENDENCY = "INSERT OR IGNORE INTO entry_dependency (entry_id, on_entry) VALUES (?, ?)"
/** The submission of a task that counts: a live or landed one, else the newest. */
export const SUBMISSION_OF_TASK = `SELECT id FROM entry WHERE task_id = ?
  ORDER BY state NOT IN ('conflict', 'failed', 'cancelled') DESC, id DESC LIMIT 1`
export const COUNT_BLOCKERS = `UPDATE entry SET blockers = (
    SELECT count(*) FROM entry_dependency d JOIN entry o ON o.id = d.on_entry
    WHERE d.entry_id = entry.id AND o.state != 'applied') WHERE archived IS NULL`
/** What moved the tree, in order. */
export const TREE_STEPS = `SELECT seq, event, entry_id FROM audit
  WHERE event IN ('applied', 'base_adopted') AND seq > ? ORDER BY seq LIMIT ? + 0`
/** What the log proves about every entry: the same here and there, or the queue was not rebuilt. */
export const QUEUE_ROWS = `SELECT id, cast_id, checksum, task_id, agent, payload_hash, priority, state, audit_seq
  FROM entry WHERE id > ? ORDER BY id LIMIT ? + 0`
