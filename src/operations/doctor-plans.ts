import * as sql from "../queue/queue.sql.ts"

/** Statements that run for each entry or at each look, and the index that keeps them as fast at a million rows. */
export const HOT_STATEMENTS: readonly (readonly [name: string, statement: string, index: string])[] = [
  ["lease", sql.READY, "entry_live"],
  ["expired leases", sql.EXPIRED_LEASES, "entry_live"],
  ["due retries", sql.DUE, "entry_live"],
  ["proven entries", sql.PROVEN, "entry_live"],
  ["expiring entries", sql.EXPIRING, "entry_expiry"],
  ["dedup", sql.ENTRIES_OF_TASK, "entry_dedup"],
  ["dependents", sql.WAITING_DEPENDENTS, "entry_dependents"],
  ["approvals", sql.APPROVALS_OF_ENTRY, "approval_entry"],
  ["casts", sql.IDS_BY_CAST, "entry_cast"],
  ["requests", sql.IDS_BY_REQUEST, "entry_request"],
  ["commits", sql.IDS_BY_COMMIT, "receipt_commit"],
  ["dead letters", sql.DEAD_LETTER_OF, "dead_letter_entry"],
]
