import { chainHash, GENESIS_HASH } from "../domain/audit.ts"
import {
  decodeCounts,
  type EntryState,
  encodeCounts,
  NO_COUNTS,
  type StateCounts,
  transition,
} from "../domain/entry.ts"
import type { AuditRow } from "../platform/audit.sql.ts"

/** Something that does not fit, by row of the log (`seq`) or by entry. */
export interface AuditFault {
  readonly code:
    | "gap"
    | "hash"
    | "counts"
    | "history"
    | "head"
    | "entry"
    | "cast"
    | "approval"
    | "receipt"
    | "freeze"
    | "blob"
    | "base"
    | "archive"
  readonly seq: number | null
  readonly entryId: number | null
  readonly message: string
}

export const faultAt = (
  code: AuditFault["code"],
  at: { readonly seq?: number; readonly entryId?: number },
  message: string,
): AuditFault => ({ code, seq: at.seq ?? null, entryId: at.entryId ?? null, message })

/** What the log says about one entry. */
export interface LoggedEntry {
  state: EntryState
  /** The rows that created it, proved it last, landed it (0: none), and the newest about it. */
  readonly enqueuedSeq: number
  verifiedSeq: number
  appliedSeq: number
  lastSeq: number
  held: boolean
  /** Its rows are in an archive; it never changes again. */
  readonly isArchived?: true
}

/** Who stopped all landings, why and when. */
export interface LoggedFreeze {
  readonly actor: string
  readonly reason: string
  readonly at: number
}

/** Events that record a person's decision; their data names the row of `approval`. */
const DECISIONS = new Set(["approved", "approval_recorded", "rejected"])

/** The queue as the log alone tells it, rebuilt row by row while every row is checked. */
export class Ledger {
  seq = 0
  head: string = GENESIS_HASH
  counts: StateCounts = NO_COUNTS
  /** By entry id; ids are dense. */
  readonly entries: (LoggedEntry | undefined)[] = []
  /** In force after the newest row. */
  freeze: LoggedFreeze | null = null
  /** By number of the approval: the row that recorded it. */
  readonly decisions = new Map<number, AuditRow>()
  /** By cut: the row that recorded the checkpoint. */
  readonly archives = new Map<number, AuditRow>()

  /** Takes the next row; the first one that does not follow from the rows before is a fault, and is not taken. */
  take(row: AuditRow): AuditFault | null {
    const { seq } = row
    if (seq <= this.seq) return faultAt("gap", { seq }, `row ${seq} does not belong to the log`)
    if (seq !== this.seq + 1) return faultAt("gap", { seq: this.seq + 1 }, `row ${this.seq + 1} is missing`)
    const id = row.entry_id
    const known = id === null ? undefined : this.entries[id]
    const to = row.event === "enqueued" && !known ? "pending" : known && transition(known.state, row.event)
    const counts = to ? moved(this.counts, known?.state ?? null, to) : this.counts
    const follows = encodeCounts(counts) === row.counts
    const hash = chainHash(this.head, {
      seq,
      at: row.at,
      event: row.event,
      entryId: id,
      entryPrevious: row.entry_previous,
      subject: row.subject,
      actor: row.actor,
      data: row.data,
      counts: follows ? counts : decodeCounts(row.counts),
    })
    if (hash !== row.hash || !(follows || encodeCounts(decodeCounts(row.counts)) === row.counts))
      return faultAt("hash", { seq }, `row ${seq} (${row.event}) was changed after it was written`)
    if (row.entry_previous !== (known?.lastSeq ?? null) || (id !== null && !known && !to))
      return faultAt(
        "history",
        { seq },
        `row ${seq} (${row.event}) does not continue the history of its entry`,
      )
    if (!follows)
      return faultAt(
        "counts",
        { seq },
        `the counts of row ${seq} (${row.event}) do not follow from the row before`,
      )
    if (id !== null) this.remember(row, id, known, to)
    this.note(row)
    this.seq = seq
    this.head = row.hash
    this.counts = counts
    return null
  }

  /** What a row says beside the state of its entry. */
  note(row: AuditRow): void {
    if (row.event === "thawed") this.freeze = null
    if (!DECISIONS.has(row.event) && row.event !== "archived" && row.event !== "frozen") return
    const { approval, cut, reason } = dataOf(row.data)
    if (row.event === "archived") this.archives.set(Number(cut), row)
    else if (row.event === "frozen") this.freeze = { actor: row.actor, reason: String(reason), at: row.at }
    else if (typeof approval === "number") this.decisions.set(approval, row)
  }

  remember(
    row: AuditRow,
    id: number,
    known: LoggedEntry | undefined,
    to: EntryState | null | undefined,
  ): void {
    const { seq } = row
    if (known) {
      known.lastSeq = seq
      if (row.event === "held" || row.event === "released") known.held = row.event === "held"
      if (to) known.state = to
      if (to === "applied") known.appliedSeq = seq
      else if (row.event === "verified") known.verifiedSeq = seq
    } else if (to) {
      this.entries[id] = {
        state: to,
        enqueuedSeq: seq,
        verifiedSeq: 0,
        appliedSeq: 0,
        lastSeq: seq,
        held: false,
      }
    }
  }
}

/** A row's data; empty when it cannot be read, so that whatever is looked for in it is missing. */
export const dataOf = (text: string | undefined): Readonly<Record<string, unknown>> => {
  try {
    return Object(JSON.parse(text ?? ""))
  } catch {
    return {}
  }
}

const moved = (counts: StateCounts, from: EntryState | null, to: EntryState): StateCounts => {
  const next = { ...counts }
  next[to] += 1
  if (from !== null) next[from] -= 1
  return next
}
