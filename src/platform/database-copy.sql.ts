/** A copy as of one moment, without free pages; others go on reading and writing. */
export const COPY_INTO = "VACUUM INTO ?"
export const INTEGRITY = "PRAGMA integrity_check(5)"
export const IS_ROW = "SELECT 1 AS found FROM audit WHERE seq = ? AND hash = ?"
