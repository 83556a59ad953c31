export const QUICK_CHECK = "PRAGMA quick_check(5)"
export const FULL_CHECK = "PRAGMA integrity_check(5)"
export const FOREIGN_KEYS = "PRAGMA foreign_key_check"
export const SETTINGS = `SELECT sqlite_version() AS sqlite,
  (SELECT journal_mode FROM pragma_journal_mode) AS journal_mode,
  (SELECT synchronous FROM pragma_synchronous) AS synchronous,
  (SELECT foreign_keys FROM pragma_foreign_keys) AS foreign_keys,
  (SELECT timeout FROM pragma_busy_timeout) AS busy_timeout,
  (SELECT user_version FROM pragma_user_version) AS schema,
  (SELECT page_count FROM pragma_page_count) * (SELECT page_size FROM pragma_page_size) AS bytes`
export interface DatabaseSettings {
  readonly sqlite: string
  readonly journal_mode: string
  readonly synchronous: number
  readonly foreign_keys: number
  readonly busy_timeout: number
  readonly schema: number
  readonly bytes: number
}
/** Moves into the database what can be moved without waiting for anybody. */
export const CHECKPOINT_PASSIVE = "PRAGMA wal_checkpoint(PASSIVE)"
/** Also shortens the file, when nobody reads from it. */
export const CHECKPOINT_TRUNCATE = "PRAGMA wal_checkpoint(TRUNCATE)"
/** Copies what is left into a file without free pages. */
export const VACUUM = "VACUUM"
/** In SQLite's own order. */
export interface CheckpointResult {
  readonly busy: number
  readonly log: number
  readonly checkpointed: number
}
