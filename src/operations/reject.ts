import * as Effect from "effect/Effect"
import type { EntryState } from "../domain/entry.ts"
import { HumanPresence } from "../platform/HumanPresence.ts"
import { Operator } from "../platform/Operator.ts"
import { bindingOf } from "../queue/approve-all.ts"
import { QueueService } from "../queue/QueueService.ts"
import { entryRow } from "../queue/transition.ts"
import { tellDecisions } from "./decision-spans.ts"
import { findEntries } from "./entries.ts"
import { WrongState } from "./errors.ts"
import { refuseAgent } from "./presence.ts"

export interface RejectReport {
  readonly rejected: readonly number[]
  /** Entries that had landed, ended or begun to land. */
  readonly too_late: readonly { readonly entry_id: number; readonly state: EntryState }[]
}

/**
 * Records a person's refusal of entries, requests (all their entries) and batches: they are cancelled, and the note
 * says why. Every id must be known before anything is done. Fails with `WrongState` when nothing could be rejected.
 */
export const reject = Effect.fn("operations.reject")(function* (ids: readonly string[], note: string) {
  const queue = yield* QueueService
  const human = yield* HumanPresence
  const { name: approver } = yield* Operator
  const seen = yield* human.look()
  yield* refuseAgent(seen)
  const named = yield* Effect.forEach(ids, findEntries)
  const rows = [...new Map(named.flat().map((row) => [row.id, row])).values()]
  const presence = seen.terminal ? "tty" : "none"
  const rejected: number[] = []
  const tooLate: { entry_id: number; state: EntryState }[] = []
  for (const row of rows) {
    const digest = (yield* queue.read((db) => bindingOf(db, row))) ?? row.checksum
    const done = yield* queue.withdraw(row.id, {
      event: "rejected",
      actor: approver,
      code: "rejected",
      text: note,
      decision: {
        decision: "reject",
        approver,
        note,
        role: null,
        digest,
        presence,
        attested: false,
        signature: null,
        acknowledged: [],
      },
    })
    if (done) rejected.push(row.id)
    else {
      const state = (yield* queue.read((db) => entryRow(db, row.id)))?.state ?? row.state
      tooLate.push({ entry_id: row.id, state })
    }
  }
  if (rejected.length === 0)
    return yield* new WrongState({
      what: `entry ${rows[0]!.id}`,
      state: tooLate[0]!.state,
      advice: `only what has not landed or ended can be rejected; hyperion why ${rows[0]!.id}`,
    })
  yield* tellDecisions(
    rows
      .filter(({ id }) => rejected.includes(id))
      .map((row) => ({ row, presence, binds: "rejection" as const })),
  )
  return { rejected, too_late: tooLate } satisfies RejectReport
})
