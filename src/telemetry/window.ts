import type { Database } from "bun:sqlite"
import { decodeCounts, NO_COUNTS, type StateCounts } from "../domain/entry.ts"
import type { Millis } from "../domain/time.ts"
import {
  type ChainedRow,
  COMPLEXITY,
  FIRST_SEQ,
  type LogPoint,
  ROW,
  ROW_AT_OR_BEFORE,
  ROWS_OF_EVENT,
  WINDOW,
  type WindowSums,
} from "./metrics.sql.ts"

/** Rows of the log that are read for means and for what the counts do not hold, at most: the newest ones. */
export const SAMPLE_ROWS = 2_000
/** Casts whose complexity is read, and approvals whose wait is. */
const SAMPLE_ENTRIES = 50
const LONGEST_WAIT = 20

/** Where the log stood at a moment: the last row before it, and the counts it left. */
export interface LogPosition {
  readonly seq: number
  readonly counts: StateCounts
}

const START: LogPosition = { seq: 0, counts: NO_COUNTS }

/** Finds the last row older than `at` in some twenty reads; times in the log rise but where a clock was set back. */
export const positionAt = (db: Database, at: Millis): LogPosition => {
  const before = db.query<LogPoint, [number]>(ROW_AT_OR_BEFORE)
  const head = before.get(Number.MAX_SAFE_INTEGER)
  if (!head) return START
  if (head.at < at) return { seq: head.seq, counts: decodeCounts(head.counts) }
  let low = db.query<{ seq: number }, []>(FIRST_SEQ).get()!.seq - 1
  let high = head.seq
  let found: LogPoint | null = null
  while (high - low > 1) {
    const middle = before.get(Math.floor((low + high) / 2))
    if (!middle || middle.seq <= low) break
    if (middle.at < at) {
      found = middle
      low = middle.seq
    } else high = middle.seq
  }
  return found === null ? START : { seq: found.seq, counts: decodeCounts(found.counts) }
}

export interface WindowRead extends WindowSums {
  /** The counts before the window. */
  readonly before: StateCounts
  /** Since when every row was read: the window's beginning, or later where it holds more than `SAMPLE_ROWS`. */
  readonly since: Millis
  readonly approval_wait: number | null
  readonly complexity: number | null
}

const mean = (values: readonly number[]): number | null =>
  values.length === 0 ? null : values.reduce((sum, value) => sum + value, 0) / values.length

/** From the row that made an entry wait for approval to the one that ended it, over notes in between. */
const waitOf = (db: Database, approved: ChainedRow): number | null => {
  const bySeq = db.query<ChainedRow, [number]>(ROW)
  let row: ChainedRow | null = approved
  for (let step = 0; row?.entry_previous != null && step < LONGEST_WAIT; step++) {
    row = bySeq.get(row.entry_previous)
    if (row?.event === "approval_missing") return approved.at - row.at
  }
  return null
}

/** What happened since `since`, read in a bounded number of rows. `headSeq` is the newest row. */
export const readWindow = (db: Database, since: Millis, headSeq: number): WindowRead => {
  const { seq, counts } = positionAt(db, since)
  const from = Math.max(seq, headSeq - SAMPLE_ROWS)
  const rows = (event: string) =>
    db.query<ChainedRow, [number, string, number]>(ROWS_OF_EVENT).all(from, event, SAMPLE_ENTRIES)
  const complexity = db.query<{ complexity: unknown }, [number]>(COMPLEXITY)
  const sums = db.query<WindowSums, [number]>(WINDOW).get(from)!
  return {
    ...sums,
    before: counts,
    since: from > seq ? (sums.first_at ?? since) : since,
    approval_wait: mean(rows("approved").flatMap((row) => waitOf(db, row) ?? [])),
    complexity: mean(
      rows("enqueued").flatMap(({ entry_id }) => {
        const found = entry_id === null ? undefined : readComplexity(() => complexity.get(entry_id))
        return typeof found === "number" ? [found] : []
      }),
    ),
  }
}

/** A payload that is no JSON is somebody else's finding. */
const readComplexity = (read: () => { complexity: unknown } | null): unknown => {
  try {
    return read()?.complexity
  } catch {
    return undefined
  }
}
