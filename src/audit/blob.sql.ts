export interface BlobRow {
  readonly hash: string
  readonly size: number
  readonly codec: "raw" | "zstd"
  readonly data: Uint8Array
}

export const HAS_BLOB = "SELECT 1 AS found FROM blob WHERE hash = ?"
export const BLOB = "SELECT hash, size, codec, data FROM blob WHERE hash = ?"
export const PUT_BLOB = "INSERT OR IGNORE INTO blob (hash, size, codec, data) VALUES (?, ?, ?, ?)"

/** What one landing did to one path. */
export interface EffectRow {
  readonly entry_id: number
  readonly path: string
  readonly before_mode: string | null
  readonly before_hash: string | null
  readonly after_mode: string | null
  readonly after_hash: string | null
}
export const DROP_EFFECTS = "DELETE FROM landing_effect WHERE entry_id = ?"
export const PUT_EFFECT = `INSERT INTO landing_effect
    (entry_id, path, before_mode, before_hash, after_mode, after_hash) VALUES (?, ?, ?, ?, ?, ?)`
export const EFFECTS_OF = "SELECT * FROM landing_effect WHERE entry_id = ? ORDER BY path"

export interface CheckpointRow {
  readonly tree: string
  readonly parent_tree: string
  readonly commit_id: string | null
  readonly manifest: string
  readonly complete: number
  readonly audit_seq: number
}
export const CHECKPOINT = "SELECT * FROM base_checkpoint WHERE tree = ?"
export const CHECKPOINTS_BETWEEN = `SELECT * FROM base_checkpoint WHERE audit_seq > ? AND audit_seq <= ?
  ORDER BY audit_seq`
export const PUT_CHECKPOINT = `INSERT OR IGNORE INTO base_checkpoint
    (tree, parent_tree, commit_id, manifest, complete, audit_seq) VALUES (?, ?, ?, ?, ?, ?)`
/** Behind a checkpoint the one it names, until something lands. */
export const LAST_LANDED_TREE = `SELECT coalesce(
    (SELECT json_extract(data, '$.result_tree') FROM audit
      WHERE event = 'applied' AND seq > (SELECT coalesce(max(cut), 0) FROM archive) ORDER BY seq DESC LIMIT 1),
    (SELECT tree FROM archive ORDER BY cut DESC LIMIT 1)) AS tree`
export const LAST_BLOB = "SELECT coalesce(max(rowid), 0) AS last FROM blob"
export const BLOBS_BETWEEN = `SELECT rowid AS number, hash, size, codec, data FROM blob
  WHERE rowid > ? AND rowid <= ? ORDER BY rowid LIMIT ? + 0`
export const CAST_BODY = "SELECT body FROM entry_payload WHERE id = ?"
export const RECEIPT_BODY = "SELECT body FROM receipt WHERE entry_id = ?"
export const CHECKPOINT_OF_ROW = "SELECT * FROM base_checkpoint WHERE audit_seq = ?"
