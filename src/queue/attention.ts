import type { Database } from "bun:sqlite"
import type { EntryState, StateCounts } from "../domain/entry.ts"
import type { Millis } from "../domain/time.ts"
import { auditHead } from "../platform/audit-append.sql.ts"
import { AWAITING_APPROVAL, BLOCKED, LAST_LANDING, LATER_OF_TASK } from "./attention.sql.ts"
import { heldEntries } from "./hold.ts"
import { type EntryRow, EXPIRED_LEASES } from "./queue.sql.ts"
import { type DeadLetterRow, deadLetters, listEntries } from "./read.ts"

/** Entries that go on only when a person does something. Each list holds at most as many as were asked for. */
export interface Attention {
  readonly counts: StateCounts
  readonly awaiting: readonly EntryRow[]
  readonly blocked: readonly EntryRow[]
  /** Conflicts whose task has no later answer. */
  readonly conflicts: readonly EntryRow[]
  /** Dead letters whose task has no later answer. */
  readonly deadLetters: readonly DeadLetterRow[]
  /** Held by workers that are gone: `in_progress`, and landings that were begun. */
  readonly abandoned: readonly EntryRow[]
  /** Undecided entries that a person holds. */
  readonly held: readonly EntryRow[]
  readonly lastLanding: { readonly entry_id: number; readonly at: Millis } | null
}

/** Entries that wait for a person, in the order of their ids, those after `after`. */
export const awaitingApproval = (db: Database, after: number, limit: number): EntryRow[] =>
  db.query<EntryRow, [number, number]>(AWAITING_APPROVAL).all(after, limit)

/**
 * Reads what needs a person, without looking at the entries that do not: the counts of the audit head say which lists
 * are empty, and no list is read beyond `limit`.
 */
export const attention = (db: Database, at: Millis, limit: number): Attention => {
  const { counts } = auditHead(db)
  const newest = (state: EntryState): EntryRow[] =>
    // As many as there are, at most: the search stops at the last of them.
    counts[state] === 0 ? [] : listEntries(db, { states: [state], limit: Math.min(counts[state], limit) })
  const answered = (row: { readonly id: number; readonly task_id: string }): boolean =>
    db.query<{ id: number }, [string, number]>(LATER_OF_TASK).get(row.task_id, row.id) !== null
  return {
    counts,
    awaiting: counts.awaiting_approval === 0 ? [] : awaitingApproval(db, 0, limit),
    blocked: counts.verified === 0 ? [] : db.query<EntryRow, [number]>(BLOCKED).all(limit),
    conflicts: newest("conflict").filter((row) => !answered(row)),
    deadLetters:
      counts.failed === 0
        ? []
        : deadLetters(db, { limit }).filter((row) => !answered({ id: row.entry_id, task_id: row.task_id })),
    abandoned: [
      ...newest("committing").filter((row) => row.leased_until !== null && row.leased_until < at),
      ...(counts.in_progress === 0
        ? []
        : db.query<EntryRow, [number, number]>(EXPIRED_LEASES).all(at, limit)),
    ],
    held: heldEntries(db, limit),
    lastLanding:
      counts.applied === 0 ? null : db.query<{ entry_id: number; at: number }, []>(LAST_LANDING).get(),
  }
}
