import * as Effect from "effect/Effect"
import { FORGET_RED } from "../guard/guard-memory.sql.ts"
import { Operator } from "../platform/Operator.ts"
import { QueueService } from "../queue/QueueService.ts"
import { refuseArchived } from "./archived.ts"
import { findEntries } from "./entries.ts"
import { WrongState } from "./errors.ts"

/** Withdraws live entries. An id of several entries (a request) withdraws those that still can be. */
export const cancel = Effect.fn("operations.cancel")(function* (id: string, reason: string) {
  const queue = yield* QueueService
  const { name: actor } = yield* Operator
  const rows = yield* findEntries(id)
  const cancelled: number[] = []
  for (const row of rows) {
    const done = yield* queue.withdraw(row.id, { event: "cancelled", actor, code: "cancelled", text: reason })
    if (done) cancelled.push(row.id)
  }
  if (cancelled.length === 0)
    return yield* new WrongState({
      what: `entry ${rows[0]!.id}`,
      state: rows[0]!.state,
      advice: `only an entry that has not landed or ended can be cancelled; hyperion why ${rows[0]!.id}`,
    })
  return cancelled
})

/** Puts failed entries back into the queue, attempts at 0; guards that were red are asked again. */
export const requeueEntries = Effect.fn("operations.requeue")(function* (id: string, reason: string) {
  const queue = yield* QueueService
  const { name: actor } = yield* Operator
  const rows = yield* findEntries(id)
  const requeued: number[] = []
  // First: a worker may take one of them at once.
  if (rows.some(({ state }) => state === "failed")) yield* queue.transact((db) => db.query(FORGET_RED).run())
  for (const row of rows) if (yield* queue.requeue(row.id, reason, actor)) requeued.push(row.id)
  if (requeued.length === 0) yield* refuseArchived(rows[0]!)
  if (requeued.length === 0)
    return yield* new WrongState({
      what: `entry ${rows[0]!.id}`,
      state: rows[0]!.state,
      advice: `only a failed entry without a newer answer, that cleanup has not swept, can be requeued; hyperion why ${rows[0]!.id}`,
    })
  return requeued
})
