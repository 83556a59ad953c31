/** Read in one statement: another process may be creating the same file between two of them. */
export const IDENTITY = `SELECT sqlite_version() AS sqlite,
  (SELECT application_id FROM pragma_application_id) AS application,
  (SELECT user_version FROM pragma_user_version) AS version,
  (SELECT count(*) FROM sqlite_schema) AS objects`
export interface Identity {
  readonly sqlite: string
  readonly application: number
  readonly version: number
  readonly objects: number
}
