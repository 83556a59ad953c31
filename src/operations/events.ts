import * as Effect from "effect/Effect"
import { toTimestamp } from "../domain/time.ts"
import { type AuditRow, ROWS_AFTER } from "../platform/audit.sql.ts"
import { QueueService } from "../queue/QueueService.ts"
import type { AuditView } from "./entries.ts"
import { untilSeen } from "./events-pulse.ts"

/** Rows in one read: long enough to be fast, short enough not to hold up a checkpoint. */
const CHUNK = 500

/** A row of the log as a stream gives it; `hash` lets a reader check that nothing is missing. */
export interface EventView extends AuditView {
  readonly hash: string
}

const viewOf = (row: AuditRow): EventView => ({
  seq: row.seq,
  at: toTimestamp(row.at),
  event: row.event,
  entry_id: row.entry_id,
  subject: row.subject,
  actor: row.actor,
  data: dataOf(row.data),
  hash: row.hash,
})

/** As it stands where it is no JSON: one bad row must not end the stream. */
const dataOf = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}

export interface EventOptions {
  /** Rows behind this one, oldest first; absent: all of them, or when following only new ones. */
  readonly after: number | undefined
  /** Goes on for ever, as rows are written; else ends with the newest row. */
  readonly follow: boolean
  readonly limit: number | undefined
}

/** Hands the rows of the log to `write`, oldest first. Gives the number of the last one. */
export const streamEvents = Effect.fn("operations.streamEvents")(function* (
  { after, follow, limit = Number.POSITIVE_INFINITY }: EventOptions,
  write: (event: EventView) => Effect.Effect<void>,
) {
  const queue = yield* QueueService
  let left = limit
  let last = after ?? (follow ? (yield* queue.head()).seq : 0)
  const next = (db: Parameters<Parameters<typeof queue.read>[0]>[0]) =>
    db.query<AuditRow, [number, number]>(ROWS_AFTER).all(last, Math.min(CHUNK, left))
  while (left > 0) {
    const rows = follow
      ? yield* untilSeen((db) => {
          const found = next(db)
          return found.length > 0 ? found : null
        })
      : yield* queue.read(next)
    if (rows.length === 0) break
    for (const row of rows) yield* write(viewOf(row))
    last = rows.at(-1)!.seq
    left -= rows.length
  }
  return last
})
