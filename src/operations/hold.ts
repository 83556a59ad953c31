import * as Effect from "effect/Effect"
import { HumanPresence } from "../platform/HumanPresence.ts"
import { Operator } from "../platform/Operator.ts"
import { holdEntry, releaseEntry } from "../queue/hold.ts"
import { QueueService } from "../queue/QueueService.ts"
import type { EntryRow } from "../queue/queue.sql.ts"
import { findEntries } from "./entries.ts"
import { WrongState } from "./errors.ts"
import { refuseAgent } from "./presence.ts"

/** Each entry once, in the order named. Every id must be known before anything is done. */
const named = (ids: readonly string[]) =>
  Effect.map(Effect.forEach(ids, findEntries), (rows) => [
    ...new Map(rows.flat().map((row) => [row.id, row])).values(),
  ])

/**
 * Holds entries: they are neither leased nor landed until they are released. Of several entries (a request) those that
 * still can be; fails with `WrongState` when none could. Gives the ids that are held now.
 */
export const hold = Effect.fn("operations.hold")(function* (ids: readonly string[], reason: string) {
  const queue = yield* QueueService
  const { name: actor } = yield* Operator
  const rows = yield* named(ids)
  const held = yield* queue.transact((db, at) =>
    rows.flatMap((row) => holdEntry(db, row.id, { actor, reason }, at)?.id ?? []),
  )
  return held.length > 0
    ? held
    : yield* refused(rows[0]!, "only an entry that has not begun to land can be held")
})

/** Lets held entries go on. A person's word: refused inside an agent. */
export const release = Effect.fn("operations.release")(function* (ids: readonly string[]) {
  yield* refuseAgent(yield* (yield* HumanPresence).look())
  const queue = yield* QueueService
  const { name: actor } = yield* Operator
  const rows = yield* named(ids)
  const released = yield* queue.transact((db, at) =>
    rows.flatMap((row) => releaseEntry(db, row.id, actor, at)?.id ?? []),
  )
  return released.length > 0 ? released : yield* refused(rows[0]!, "nothing holds it")
})

const refused = (row: EntryRow, why: string) =>
  new WrongState({
    what: `entry ${row.id}`,
    state: row.held ? `${row.state}, held` : row.state,
    advice: `${why}; hyperion why ${row.id}`,
  })
