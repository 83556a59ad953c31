import type { Database } from "bun:sqlite"
import { type AuditFields, chainHash, GENESIS_HASH } from "../domain/audit.ts"
import { decodeCounts, type EntryState, encodeCounts, NO_COUNTS, type StateCounts } from "../domain/entry.ts"
import { canonicalJson } from "../domain/hash.ts"
import type { Millis } from "../domain/time.ts"

const HEAD = "SELECT seq, hash, counts FROM audit ORDER BY seq DESC LIMIT 1"
const INSERT = `INSERT INTO audit (seq, at, event, entry_id, entry_previous, subject, actor, data, counts, hash)
  VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`

export interface AuditHead {
  readonly seq: number
  readonly hash: string
  readonly counts: StateCounts
}

export interface AuditEvent {
  readonly event: string
  readonly actor: string
  readonly entryId?: number
  readonly entryPrevious?: number | null
  readonly subject?: string
  readonly data?: object
  /** The transition it records; `from: null` for a new entry. Moves the cumulative counts. */
  readonly move?: { readonly from: EntryState | null; readonly to: EntryState }
}

/** The newest row, or the genesis of an empty log. */
export const auditHead = (db: Database): AuditHead => {
  const row = db.query<{ seq: number; hash: string; counts: string }, []>(HEAD).get()
  return row
    ? { seq: row.seq, hash: row.hash, counts: decodeCounts(row.counts) }
    : { seq: 0, hash: GENESIS_HASH, counts: NO_COUNTS }
}

export interface AuditAppender {
  /** Sequence number the next appended row will get. */
  readonly nextSeq: () => number
  /** Appends one row to the chain; returns its sequence number. */
  readonly append: (event: AuditEvent) => number
}

/**
 * Appends to the audit chain inside the caller's IMMEDIATE transaction, so that the state change and its row are
 * stored together or not at all. The head is read once per transaction: nobody else can write meanwhile.
 */
export const auditAppender = (
  db: Database,
  at: Millis,
  /** As it is in this transaction, for whoever has read it. */
  head: AuditHead = auditHead(db),
): AuditAppender => {
  let { seq: last, hash: previous } = head
  // One copy for all rows: a new one for each costs as much as writing its text.
  const counts: Record<EntryState, number> = { ...head.counts }
  const insert = db.query(INSERT)
  return {
    nextSeq: () => last + 1,
    append: (event) => {
      if (event.move) {
        const { from, to } = event.move
        counts[to] += 1
        if (from !== null) counts[from] -= 1
      }
      const row: AuditFields = {
        seq: last + 1,
        at,
        event: event.event,
        entryId: event.entryId ?? null,
        entryPrevious: event.entryPrevious ?? null,
        subject: event.subject ?? null,
        actor: event.actor,
        data: event.data === undefined ? "{}" : canonicalJson(event.data),
        counts,
      }
      const encoded = encodeCounts(counts)
      const hash = chainHash(previous, row, encoded)
      insert.run(
        row.seq,
        row.at,
        row.event,
        row.entryId,
        row.entryPrevious,
        row.subject,
        row.actor,
        row.data,
        encoded,
        hash,
      )
      last = row.seq
      previous = hash
      return last
    },
  }
}
