/** Once for each state of a file: not when the newest row of the path says the same. */
export const PUT_MODIFICATION = `INSERT INTO file_modification (path, event, source, stamp, details, created_at)
  SELECT ?1, ?2, ?3, ?4, ?5, ?6 WHERE NOT EXISTS (SELECT 1 FROM file_modification
    WHERE id = (SELECT max(id) FROM file_modification WHERE path = ?1) AND event = ?2 AND stamp = ?4)`
export const MODIFICATIONS = `SELECT id, path, event, source, details, created_at FROM file_modification
  WHERE created_at >= ? ORDER BY id DESC LIMIT ? + 0`
/** Made before a moment, or beyond the newest that are kept. */
const OLD = `SELECT id FROM file_modification
  WHERE created_at < ?1 OR id <= (SELECT max(id) FROM file_modification) - ?2 ORDER BY id LIMIT ?3 + 0`
export const OLD_MODIFICATIONS = OLD
export const DROP_MODIFICATIONS = `DELETE FROM file_modification WHERE id IN (${OLD})`
/** Entries whose landing was begun or ended behind a row of the log, the newest of them. */
export const LANDING_SINCE = `SELECT entry_id AS id FROM audit WHERE seq > ? AND event IN ('committing', 'applied')
  AND entry_id IS NOT NULL GROUP BY entry_id ORDER BY max(seq) DESC LIMIT 10000`
export const EFFECTS_OF_ENTRY = "SELECT path, before_hash, after_hash FROM landing_effect WHERE entry_id = ?"

export interface ModificationRow {
  readonly id: number
  readonly path: string
  readonly event: string
  readonly source: string
  readonly details: string
  readonly created_at: number
}
export interface EffectHashes {
  readonly path: string
  readonly before_hash: string | null
  readonly after_hash: string | null
}
