import * as Effect from "effect/Effect"
import { parseDocument } from "../domain/parse-document.ts"
import { Receipt } from "../domain/receipt.ts"
import { QueueService } from "../queue/QueueService.ts"
import type { EntryRow } from "../queue/queue.sql.ts"
import { receiptOf } from "../queue/read.ts"
import { refuseArchived } from "./archived.ts"
import { findEntries } from "./entries.ts"
import { WrongState } from "./errors.ts"

/** The landed entries an id speaks of, in landing order; fails with `UnknownId` or, when none has landed, `WrongState`. */
export const landedEntries = Effect.fn("operations.landedEntries")(function* (id: string) {
  const rows = yield* findEntries(id)
  const landed = rows.filter((row) => row.state === "applied" && row.archived === null)
  if (landed.length > 0) return { landed, unlanded: rows.filter((row) => !landed.includes(row)) }
  const [first] = rows as [EntryRow]
  yield* refuseArchived(rows.find((row) => row.state === "applied") ?? first)
  return yield* new WrongState({
    what: rows.length === 1 ? `entry ${first.id}` : `every entry of ${id}`,
    state: rows.length === 1 ? `${first.state}: it has not landed` : "without a landing",
    advice: `hyperion why ${first.id}`,
  })
})

/** The stored receipts of an id's landed entries. One that cannot be read any more fails with `WrongState`. */
export const receipts = Effect.fn("operations.receipts")(function* (id: string) {
  const { landed } = yield* landedEntries(id)
  const queue = yield* QueueService
  const found: Receipt[] = []
  for (const { id: entryId } of landed) {
    const stored = yield* queue.read((db) => {
      try {
        return receiptOf(db, entryId)
      } catch {
        return null
      }
    })
    const parsed = parseDocument(Receipt, stored)
    if (!parsed.ok)
      return yield* new WrongState({
        what: `the receipt of entry ${entryId}`,
        state: stored === null ? "not readable" : `damaged (${parsed.error[0]?.message ?? "schema"})`,
        advice: `hyperion verify ${entryId}`,
      })
    found.push(parsed.value)
  }
  return found
})
