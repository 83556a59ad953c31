import type { Database } from "bun:sqlite"
import type { EntryState } from "../domain/entry.ts"
import type { Millis } from "../domain/time.ts"
import { auditAppender } from "../platform/audit-append.sql.ts"
import { GET_META, SET_META } from "../platform/meta.sql.ts"
import { META } from "../platform/meta-keys.ts"
import { DROP_DEAD_LETTERS, DROP_VERIFICATION } from "./queue.sql.ts"
import { DROP_PAYLOAD, LOG_AFTER, type LogStep, PAYLOAD_SIZE } from "./sweep.sql.ts"
import { entryRow, note } from "./transition.ts"

/** Entries swept per transaction, and rows of the log looked through for them: nobody waits long for the write lock. */
const CHUNK = 100
const LOG_ROWS = 1_000

/**
 * The log is in the order of time, so it finds what is old without an index that every transition would pay for: each
 * kind has a cursor in it, and every row is passed once.
 */
const KINDS = {
  decided: {
    cursor: META.sweptDecided,
    events: new Set(["applied", "conflicted", "foreign_edit", "cancelled", "rejected", "superseded"]),
    states: new Set<EntryState>(["applied", "conflict", "cancelled"]),
  },
  failed: {
    cursor: META.sweptFailed,
    events: new Set(["failed", "expired"]),
    states: new Set<EntryState>(["failed"]),
  },
} as const
export type SweepKind = keyof typeof KINDS

export interface SweepOptions {
  readonly kind: SweepKind
  /** Entries that were decided before this are swept. */
  readonly before: Millis
  readonly actor: string
}

export interface SweepFound {
  readonly entries: readonly { readonly id: number; readonly bytes: number }[]
  /** The last row of the log that was passed. */
  readonly cursor: number
  /** There may be more behind it. */
  readonly more: boolean
}

export const sweepCursor = (db: Database, kind: SweepKind): number =>
  Number(db.query<{ value: string }, [string]>(GET_META).get(KINDS[kind].cursor)?.value ?? 0)

/** The payload of an entry in bytes; null when there is none, because it was swept. */
export const payloadBytes = (db: Database, id: number): number | null =>
  db.query<{ bytes: number }, [number]>(PAYLOAD_SIZE).get(id)?.bytes ?? null

/** What a sweep would take behind `cursor`, up to one chunk. */
export const findOld = (
  db: Database,
  { kind, before }: Pick<SweepOptions, "kind" | "before">,
  cursor: number,
  at: Millis,
): SweepFound => {
  const { events, states } = KINDS[kind]
  const rows = db.query<LogStep, [number, number]>(LOG_AFTER).all(cursor, LOG_ROWS)
  const entries = new Map<number, number>()
  let passed = cursor
  for (const row of rows) {
    // A row from the future says that a clock was wrong: it must not keep all behind it for ever.
    if (row.at > before && row.at <= at) return { entries: listed(entries), cursor: passed, more: false }
    if (entries.size === CHUNK) return { entries: listed(entries), cursor: passed, more: true }
    passed = row.seq
    if (row.entry_id === null || !events.has(row.event)) continue
    const entry = entryRow(db, row.entry_id)
    if (!entry || entry.archived !== null || !states.has(entry.state) || entry.updated_at > before) continue
    const bytes = payloadBytes(db, entry.id)
    if (bytes !== null) entries.set(entry.id, bytes)
  }
  return { entries: listed(entries), cursor: passed, more: rows.length === LOG_ROWS }
}

const listed = (entries: ReadonlyMap<number, number>) => [...entries].map(([id, bytes]) => ({ id, bytes }))

/**
 * Sweeps one chunk of old decided entries: payload, proof and dead letters go, and the dedup key is free again. The
 * entry's row, its log, receipt, approvals and stored contents stay: it can still be shown, verified and undone.
 */
export const sweepChunk = (db: Database, options: SweepOptions, at: Millis): SweepFound => {
  const from = sweepCursor(db, options.kind)
  const found = findOld(db, options, from, at)
  if (found.cursor > from) db.query(SET_META).run(KINDS[options.kind].cursor, String(found.cursor))
  if (found.entries.length === 0) return found
  const audit = auditAppender(db, at)
  for (const { id, bytes } of found.entries) {
    note(db, audit, entryRow(db, id)!, "swept", { actor: options.actor, data: { bytes } })
    db.query(DROP_PAYLOAD).run(id)
    db.query(DROP_VERIFICATION).run(id)
    db.query(DROP_DEAD_LETTERS).run(id)
  }
  db.query(SET_META).run(META.lastCleanup, String(at))
  return found
}

/** Records that somebody asked for a cleanup, with what it swept; it may have been nothing. */
export const recordCleanup = (db: Database, actor: string, data: object, at: Millis): void => {
  auditAppender(db, at).append({ event: "cleanup", actor, subject: "queue", data })
  db.query(SET_META).run(META.lastCleanup, String(at))
}
