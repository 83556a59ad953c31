import type { Database } from "bun:sqlite"
import { type EntryState, isLive } from "../domain/entry.ts"
import type { Millis } from "../domain/time.ts"
import { type AuditAppender, auditAppender } from "../platform/audit-append.sql.ts"
import { COUNT_HELD, HELD, SET_HELD } from "./flags.sql.ts"
import type { EntryRow } from "./queue.sql.ts"
import { historyOf } from "./read.ts"
import { entryRow, note } from "./transition.ts"

/** A landing that was begun is not stopped: its journal decides. */
export const isHoldable = (state: EntryState): boolean => isLive(state) && state !== "committing"

/**
 * Keeps an entry from being leased and from landing, whatever else happens to it, until it is released. Who works on it
 * may prove it. `null` when it has landed, ended or begun to land; unchanged when it is held already.
 */
export const holdEntry = (
  db: Database,
  id: number,
  { actor, reason }: { readonly actor: string; readonly reason: string },
  at: Millis,
): EntryRow | null => {
  const row = entryRow(db, id)
  if (!row || !isHoldable(row.state)) return null
  return row.held ? row : markHeld(db, auditAppender(db, at), row, actor, reason)
}

/** The hold of an entry goes over to what takes its place: an agent's next answer must not undo a person's word. */
export const inheritHold = (db: Database, audit: AuditAppender, from: EntryRow, id: number): void => {
  const row = entryRow(db, id)
  const hold = recordedHold(db, from)
  if (row) markHeld(db, audit, row, hold?.actor ?? "operator", hold?.reason ?? `as entry ${from.id} was`)
}

const markHeld = (
  db: Database,
  audit: AuditAppender,
  row: EntryRow,
  actor: string,
  reason: string,
): EntryRow => {
  const next = note(db, audit, row, "held", { actor, data: { why: reason } })
  db.query(SET_HELD).run(row.id, 1)
  return { ...next, held: 1 }
}

/** `null` when nothing holds it. */
export const releaseEntry = (db: Database, id: number, actor: string, at: Millis): EntryRow | null => {
  const row = entryRow(db, id)
  if (!row?.held) return null
  const next = note(db, auditAppender(db, at), row, "released", { actor, data: {} })
  db.query(SET_HELD).run(id, 0)
  return { ...next, held: 0 }
}

export interface Hold {
  readonly actor: string
  readonly reason: string
  readonly at: Millis
}

/** Who holds an undecided entry, and why; null when nobody does. A hold that the log does not explain counts as well. */
export const holdOf = (db: Database, row: EntryRow): Hold | null =>
  row.held && isLive(row.state)
    ? (recordedHold(db, row) ?? { actor: "somebody", reason: "no reason is recorded", at: row.updated_at })
    : null

const recordedHold = (db: Database, row: EntryRow): Hold | null => {
  const last = historyOf(db, row).findLast(({ event }) => event === "held")
  if (!last) return null
  const { why } = JSON.parse(last.data) as { readonly why?: unknown }
  return { actor: last.actor, reason: String(why ?? ""), at: last.at }
}

/** Undecided entries that a person holds, oldest first. */
export const heldEntries = (db: Database, limit: number): readonly EntryRow[] =>
  db.query<EntryRow, [number]>(HELD).all(limit)

export const countHeld = (db: Database): number => db.query<{ n: number }, []>(COUNT_HELD).get()!.n
