import type { Database } from "bun:sqlite"
import type { EntryState } from "../domain/entry.ts"
import { fail, ok, type Result } from "../domain/result.ts"
import type { Millis } from "../domain/time.ts"
import { approve, type Decision } from "./decide.ts"
import type { ApprovalRow, EntryRow } from "./queue.sql.ts"
import { approvalsOf, verificationOf } from "./read.ts"
import { entryRow } from "./transition.ts"

/** An approval of what a person was shown: it is stored only while that is still what it binds. */
export interface BoundApproval {
  readonly entryId: number
  /** `digest` is what was shown. */
  readonly decision: Decision
  /** Judges the decisions stored so far (this one comes on top), inside the transaction: two people may be at it. */
  readonly satisfied: (stored: readonly ApprovalRow[]) => boolean
}

const PROVEN_STATES: ReadonlySet<EntryState> = new Set(["verified", "awaiting_approval"])
const UNPROVEN_STATES: ReadonlySet<EntryState> = new Set(["scheduled", "pending", "in_progress"])

/**
 * What an approval of this entry binds at this moment: the proof's digest, before there is one the cast's checksum
 * (intent). `null` when nothing can be approved any more.
 */
export const bindingOf = (db: Database, row: EntryRow): string | null => {
  if (UNPROVEN_STATES.has(row.state)) return row.checksum
  return PROVEN_STATES.has(row.state) ? (verificationOf(db, row.id)?.approval_digest ?? null) : null
}

/** Records all approvals, or none: fails with the entries that are no longer what their decision binds. */
export const approveAll = (
  db: Database,
  approvals: readonly BoundApproval[],
  at: Millis,
): Result<readonly EntryRow[], readonly number[]> => {
  const changed = approvals.filter(({ entryId, decision }) => {
    const row = entryRow(db, entryId)
    return row === null || bindingOf(db, row) !== decision.digest
  })
  if (changed.length > 0) return fail(changed.map(({ entryId }) => entryId))
  return ok(
    approvals.map(({ entryId, decision, satisfied }) => {
      const stored = approvalsOf(db, { entryId })
      return approve(db, { entryId }, decision, satisfied(stored), at)!
    }),
  )
}
