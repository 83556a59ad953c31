import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { HumanPresence } from "../platform/HumanPresence.ts"
import { Operator } from "../platform/Operator.ts"
import { freezeOf, freezeText } from "../queue/freeze.ts"
import { type Lease, payloadOf } from "../queue/lease.ts"
import { failByHand, markRefusal, takeByHand } from "../queue/mark.ts"
import { QueueService } from "../queue/QueueService.ts"
import type { EntryRow } from "../queue/queue.sql.ts"
import { approvalsOf } from "../queue/read.ts"
import { currentBase } from "../worker/base.ts"
import { makeOverlay } from "../worker/files.ts"
import { landChain } from "../worker/land.ts"
import { considerEntry } from "../worker/plan.ts"
import { findEntries } from "./entries.ts"
import { WrongState } from "./errors.ts"
import { refuseAgent } from "./presence.ts"

const refused = (row: EntryRow, advice: string) =>
  new WrongState({ what: `entry ${row.id}`, state: row.state, advice })

const one = Effect.fn("operations.mark.one")(function* (id: string, withFailed: boolean) {
  const [row, second] = yield* findEntries(id)
  if (second) return yield* refused(second, `${id} is several entries: name one of them`)
  const refusal = markRefusal(row!, withFailed)
  return refusal === null ? row! : yield* refused(row!, refusal)
})

/**
 * Records that an entry's change is on the branch already, by a person's hand: only when every post-image is there.
 * The receipt is flagged and names no commit. A person's word: refused inside an agent.
 */
export const markApplied = Effect.fn("operations.markApplied")(function* (id: string, reason: string) {
  yield* refuseAgent(yield* (yield* HumanPresence).look())
  const queue = yield* QueueService
  const { name: actor } = yield* Operator
  const row = yield* one(id, true)
  const freeze = yield* queue.read(freezeOf)
  if (freeze) return yield* refused(row, `${freezeText(freeze)}: hyperion thaw`)
  const base = yield* currentBase()
  const { policy } = base.policy
  const cast = yield* queue.read((db) => payloadOf(db, row.id))
  if (cast === null) return yield* refused(row, "its payload cannot be read: hyperion audit verify")
  const leaseMs = policy.queue.lease_seconds * 1_000
  const consider = (lease: Lease) =>
    Effect.gen(function* () {
      const paths = cast.change_request.changes.map(({ path }) => path)
      const overlay = yield* makeOverlay(base.tree, [...new Set(paths)], policy.paths)
      const approvals = yield* queue.read((db) => approvalsOf(db, { entryId: row.id }))
      return yield* considerEntry(lease, overlay, policy, approvals)
    })
  // Looked at before anything is touched: a refusal changes nothing.
  const at = yield* Clock.currentTimeMillis
  const glance = yield* consider({ entry: row, cast, worker: actor, token: 0, until: at, attempt: 0 })
  const there = glance.ok && glance.value.noop
  if (!there) {
    const missing = glance.ok
      ? glance.value.change.effects.map(({ path }) => path).join(", ")
      : glance.error.report.message
    return yield* refused(row, `the branch does not hold its result: ${missing}; hyperion why ${row.id}`)
  }
  const lease = yield* queue.transact((db, now) =>
    takeByHand(db, row.id, { event: "marked_applied", actor, reason, leaseMs, withFailed: true }, now),
  )
  const considered = lease === null ? null : yield* consider(lease)
  if (lease === null || !considered?.ok || !considered.value.noop) {
    const back = { code: "given_back", text: "it changed while it was marked" }
    if (lease !== null) yield* queue.settle([{ to: "pending", lease, reason: back }])
    return yield* refused(row, `it changed meanwhile; hyperion why ${row.id}`)
  }
  const { happenings } = yield* landChain({
    base,
    entries: [considered.value],
    plan: null,
    outputs: [],
    flags: ["marked_applied"],
    from: "leased",
  })
  if (happenings.length === 0) return yield* refused(row, `it changed meanwhile; hyperion why ${row.id}`)
  return row.id
})

/** Makes an entry that nobody works on a dead letter, with a person's reason. */
export const markFailed = Effect.fn("operations.markFailed")(function* (id: string, error: string) {
  const queue = yield* QueueService
  const { name: actor } = yield* Operator
  const row = yield* one(id, false)
  const failed = yield* queue.transact((db, at) => failByHand(db, row.id, actor, error, at))
  return failed?.state === "failed" ? row.id : yield* refused(row, `hyperion why ${row.id}`)
})
