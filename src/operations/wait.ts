import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { type EntryState, TERMINAL, TRANSITIONS, transition } from "../domain/entry.ts"
import type { Millis } from "../domain/time.ts"
import { QueueService } from "../queue/QueueService.ts"
import type { EntryRow } from "../queue/queue.sql.ts"
import { conflictReport, failureReport, historyOf, receiptOf } from "../queue/read.ts"
import { entryRow } from "../queue/transition.ts"
import { findEntries } from "./entries.ts"
import { untilSeen } from "./events-pulse.ts"

/** `decided`: it has landed, ended, or goes on only when a person approves it. */
export type Awaited = EntryState | "decided"

/** What became of one entry. `reached`: it is, or was since the wait began, what was waited for. */
export interface Waited {
  readonly entry_id: number
  readonly task_id: string
  readonly state: EntryState
  readonly reached: boolean
  /** The stable code of a failure, conflict or other reason; null when there is none. */
  readonly code: string | null
  readonly message: string
  readonly next: string | null
}

export interface WaitReport {
  readonly entries: readonly Waited[]
  /** Entries that were still on their way when the time was over. */
  readonly unsettled: readonly Waited[]
}

export interface WaitOptions {
  readonly ids: readonly string[]
  readonly for: Awaited
  /** Absent: as long as it takes. */
  readonly timeoutMs: Millis | undefined
}

type Db = Parameters<typeof entryRow>[0]

/**
 * Waits until every entry is what is waited for or can no longer become it; `tell` hears of each as soon as that is
 * known. An entry's own state may come back: only one that was passed through since the wait began counts.
 */
export const wait = Effect.fn("operations.wait")(function* (
  options: WaitOptions,
  tell: (waited: Waited) => Effect.Effect<void>,
) {
  const queue = yield* QueueService
  const rows = yield* Effect.map(Effect.forEach(options.ids, findEntries), (found) => found.flat())
  const since = (yield* queue.head()).seq
  const open = new Set(rows.map((row) => row.id))
  const entries: Waited[] = []
  const all = Effect.gen(function* () {
    while (open.size > 0) {
      const settled = yield* untilSeen((db) => {
        const found = [...open].flatMap((id) => settledOf(db, id, options.for, since) ?? [])
        return found.length > 0 ? found : null
      })
      for (const waited of settled) {
        open.delete(waited.entry_id)
        entries.push(waited)
        yield* tell(waited)
      }
    }
  })
  if (options.timeoutMs === undefined) yield* all
  else yield* Effect.map(Effect.timeoutOption(all, options.timeoutMs), Option.isSome)
  const unsettled = yield* queue.read((db) =>
    [...open].flatMap((id) => {
      const row = entryRow(db, id)
      return row ? [waitedOf(db, row, false)] : []
    }),
  )
  return { entries, unsettled } satisfies WaitReport
})

/** Null while it may yet come to what is waited for. */
const settledOf = (db: Db, id: number, target: Awaited, since: number): Waited | null => {
  const row = entryRow(db, id)
  if (row === null) return null
  const ended = TERMINAL.has(row.state)
  if (target === "decided")
    return ended || row.state === "awaiting_approval" ? waitedOf(db, row, row.state === "applied") : null
  if (row.state === target || passedThrough(db, row, target, ended ? 0 : since))
    return waitedOf(db, row, true)
  return ended ? waitedOf(db, row, false) : null
}

const ARRIVALS = new Map<EntryState, ReadonlySet<string>>(
  TRANSITIONS.map(({ to }) => [
    to,
    new Set(TRANSITIONS.filter((row) => row.to === to).map(({ event }) => event)),
  ]),
)

/** Whether a row of the log behind `since` took the entry into this state. */
const passedThrough = (db: Db, row: EntryRow, state: EntryState, since: number): boolean => {
  if (row.audit_seq <= since || !ARRIVALS.has(state)) return false
  let at: EntryState = "pending"
  return historyOf(db, row).some(({ seq, event }) => {
    at = transition(at, event) ?? at
    return seq > since && at === state && (event === "enqueued" || ARRIVALS.get(state)!.has(event))
  })
}

const waitedOf = (db: Db, row: EntryRow, reached: boolean): Waited => {
  const report = row.state === "failed" ? failureReport(db, row.id) : conflictReport(db, row)
  const commit = row.state === "applied" ? (receiptOf(db, row.id)?.commit ?? row.landed_commit) : null
  return {
    entry_id: row.id,
    task_id: row.task_id,
    state: row.state,
    reached,
    code: report?.code ?? row.reason_code,
    message: report?.message ?? row.reason ?? (commit === null ? "" : `landed as ${commit.slice(0, 12)}`),
    next: row.state === "awaiting_approval" ? `hyperion approve ${row.id}` : `hyperion why ${row.id}`,
  }
}
