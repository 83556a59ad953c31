import { describe, expect } from "bun:test"
import * as Effect from "effect/Effect"
import type { BoundApproval } from "../../src/queue/approve-all.ts"
import { QueueService } from "../../src/queue/QueueService.ts"
import { approvalsOf } from "../../src/queue/read.ts"
import { withLayer } from "../support/effect.ts"
import {
  aDecision,
  aVerification,
  enqueued,
  entry,
  events,
  leased,
  QUEUE_LAYERS,
  settled,
} from "../support/queue.ts"

const SHOWN = aVerification().approvalDigest

const bound = (entryId: number, options: Partial<BoundApproval> = {}): BoundApproval => ({
  entryId,
  decision: aDecision({ digest: SHOWN }),
  satisfied: () => true,
  ...options,
})

const awaiting = (taskId: string) =>
  Effect.gen(function* () {
    const id = yield* enqueued({ taskId })
    yield* settled(yield* leased(), "awaiting_approval")
    return id
  })

for (const [name, layer] of QUEUE_LAYERS) {
  const it = withLayer(layer)

  describe(`approving what was shown over ${name}`, () => {
    it.effect("moves every entry that then misses nothing", () =>
      Effect.gen(function* () {
        const queue = yield* QueueService
        const ids = [yield* awaiting("a"), yield* awaiting("b")]
        const done = yield* queue.approveAll([bound(ids[0]!), bound(ids[1]!, { satisfied: () => false })])
        expect(done.ok && done.value.map((row) => row.state)).toEqual(["verified", "awaiting_approval"])
      }),
    )

    it.effect("stores nothing at all when one of them is no longer what was shown", () =>
      Effect.gen(function* () {
        const queue = yield* QueueService
        const first = yield* awaiting("a")
        const second = yield* awaiting("b")
        yield* queue.baseMoved([second], "worker-1", {})
        const head = yield* queue.head()
        expect(yield* queue.approveAll([bound(first), bound(second), bound(999)])).toEqual({
          ok: false,
          error: [second, 999],
        })
        expect(yield* queue.head()).toEqual(head)
        expect((yield* entry(first)).state).toBe("awaiting_approval")
      }),
    )

    it.effect("refuses a proof that was made anew in between", () =>
      Effect.gen(function* () {
        const queue = yield* QueueService
        const id = yield* awaiting("a")
        yield* queue.baseMoved([id], "worker-1", {})
        const lease = yield* leased()
        yield* queue.settle([
          {
            to: "awaiting_approval",
            lease,
            verification: aVerification({ approvalDigest: "e".repeat(64) }),
            reason: { code: "approval_missing", text: "1 more approval (tty)" },
          },
        ])
        expect(yield* queue.approveAll([bound(id)])).toEqual({ ok: false, error: [id] })
        expect(yield* queue.read((db) => approvalsOf(db, { entryId: id }))).toEqual([])
      }),
    )

    it.effect("refuses intent once there is a proof, and a proof's digest while there is none", () =>
      Effect.gen(function* () {
        const queue = yield* QueueService
        const id = yield* enqueued()
        const { checksum } = yield* entry(id)
        expect(yield* queue.approveAll([bound(id)])).toEqual({ ok: false, error: [id] })
        const intent = bound(id, { decision: aDecision({ digest: checksum }) })
        expect((yield* queue.approveAll([intent])).ok).toBe(true)
        expect((yield* entry(id)).state).toBe("pending")
        yield* settled(yield* leased(), "awaiting_approval")
        expect(yield* queue.approveAll([intent])).toEqual({ ok: false, error: [id] })
      }),
    )

    it.effect("judges what is stored by then: of two people the second completes it", () =>
      Effect.gen(function* () {
        const queue = yield* QueueService
        const id = yield* awaiting("a")
        const needsTwo: BoundApproval["satisfied"] = (stored) => stored.length + 1 >= 2
        for (const approver of ["ada", "bob"])
          yield* queue.approveAll([
            bound(id, { decision: aDecision({ digest: SHOWN, approver }), satisfied: needsTwo }),
          ])
        expect((yield* entry(id)).state).toBe("verified")
        expect((yield* events(id)).slice(-2)).toEqual(["approval_recorded", "approved"])
      }),
    )

    for (const to of ["failed", "conflict", "committing"] as const)
      it.effect(`is too late when the entry is ${to}`, () =>
        Effect.gen(function* () {
          const queue = yield* QueueService
          const id = yield* enqueued()
          yield* settled(yield* leased(), to)
          const { checksum } = yield* entry(id)
          for (const digest of [SHOWN, checksum])
            expect(yield* queue.approveAll([bound(id, { decision: aDecision({ digest }) })])).toEqual({
              ok: false,
              error: [id],
            })
        }),
      )
  })
}
