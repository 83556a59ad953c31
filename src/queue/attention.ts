import type { Database } from "bun:sqlite"
import type { EntryState, StateCounts } from "../domain/entry.ts"
import type { Millis } from "../domain/time.ts"
import { auditHead } from "../platform/audit-append.sql.ts"
import {
  AWAITING_APPROVAL,
  BLOCKED,
  CONFLICTS,
  COUNT_BLOCKED,
  COUNT_DEAD_LETTERS,
  LAST_LANDING,
  LEASED,
  OPEN_DEAD_LETTERS,
  READY_COUNT,
} from "./attention.sql.ts"
import { countHeld, heldEntries } from "./hold.ts"
import type { EntryRow } from "./queue.sql.ts"
import type { DeadLetterRow } from "./read.ts"

/** Some of a kind, and how many there are. */
export interface Some<A> {
  readonly rows: readonly A[]
  readonly total: number
}

/** Entries that go on only when a person does something. Each list holds at most as many as were asked for. */
export interface Attention {
  readonly counts: StateCounts
  /** Entries that a worker could take now. */
  readonly ready: number
  /** Entries that workers at work have leased. */
  readonly inHand: number
  readonly awaiting: Some<EntryRow>
  /** Proven ones that cannot land, and those for which the base is red. */
  readonly blocked: Some<EntryRow>
  /** Conflicts whose task has no later answer; one that was swept is history. */
  readonly conflicts: Some<EntryRow>
  /** Dead letters whose task has no later answer. */
  readonly deadLetters: Some<DeadLetterRow>
  /** In the hands of workers whose lease has run out, or whose process has ended. Landings that were begun go first. */
  readonly abandoned: Some<EntryRow>
  /** Undecided entries that a person holds. */
  readonly held: Some<EntryRow>
  readonly lastLanding: { readonly entry_id: number; readonly at: Millis } | null
}

/** Entries that wait for a person, in the order of their ids, those after `after`. */
export const awaitingApproval = (db: Database, after: number, limit: number): EntryRow[] =>
  db.query<EntryRow, [number, number]>(AWAITING_APPROVAL).all(after, limit)

const NONE = { rows: [], total: 0 } as const

/** Whether nobody works on a leased entry any more: its lease has run out, or its owner has ended. */
export const isAbandoned = (row: EntryRow, at: Millis, ended: (owner: string) => boolean): boolean =>
  (row.leased_until ?? 0) < at || ended(row.lease_owner ?? "")

/** Entries in the hands of workers: leased, or being landed. */
export const leasedEntries = (db: Database): readonly EntryRow[] => db.query<EntryRow, []>(LEASED).all()

/**
 * Reads what needs a person, without looking at the entries that do not: the counts of the audit head say which lists
 * are empty, and no list is read beyond `limit`. `ended` tells whether a lease's owner is gone.
 */
export const attention = (
  db: Database,
  at: Millis,
  limit: number,
  ended: (owner: string) => boolean = () => false,
): Attention => {
  const { counts } = auditHead(db)
  const number = (sql: string): number => db.query<{ n: number }, []>(sql).get()!.n
  const query = <A>(sql: string, most: number): readonly A[] => db.query<A, [number]>(sql).all(most)
  /** Asks for the rows only where there can be any, and for their number only where the rows do not say it. */
  const some = <A>(
    states: readonly EntryState[],
    rows: () => readonly A[],
    total: (found: readonly A[]) => number,
  ): Some<A> => {
    if (states.every((state) => counts[state] === 0)) return NONE
    const found = rows()
    return { rows: found.slice(0, limit), total: found.length < limit ? found.length : total(found) }
  }
  const leased = leasedEntries(db)
  const abandoned = leased
    .filter((row) => isAbandoned(row, at, ended))
    .sort((a, b) => Number(b.state === "committing") - Number(a.state === "committing") || a.id - b.id)
  const held = heldEntries(db, limit)
  return {
    counts,
    ready: counts.pending === 0 ? 0 : number(READY_COUNT),
    inHand: leased.length - abandoned.length,
    awaiting: some(
      ["awaiting_approval"],
      () => awaitingApproval(db, 0, limit),
      () => counts.awaiting_approval,
    ),
    blocked: some(
      ["verified", "scheduled"],
      () => query<EntryRow>(BLOCKED, limit),
      () => number(COUNT_BLOCKED),
    ),
    conflicts: some(
      ["conflict"],
      () => query<EntryRow>(CONFLICTS, counts.conflict),
      (all) => all.length,
    ),
    deadLetters: some(
      ["failed"],
      () => query<DeadLetterRow>(OPEN_DEAD_LETTERS, limit),
      () => number(COUNT_DEAD_LETTERS),
    ),
    abandoned: { rows: abandoned.slice(0, limit), total: abandoned.length },
    held: { rows: held, total: held.length < limit ? held.length : countHeld(db) },
    lastLanding:
      counts.applied === 0 ? null : db.query<{ entry_id: number; at: number }, []>(LAST_LANDING).get(),
  }
}
