import { describe, expect } from "bun:test"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/TestClock"
import { AuditService } from "../../src/audit/AuditService.ts"
import { QueueService } from "../../src/queue/QueueService.ts"
import { withLayer } from "../support/effect.ts"
import { enqueued, entry, events, LEASE_MS, leased, QUEUE_LAYERS, settlement } from "../support/queue.ts"

const NEXT = { worker: "worker-1", leaseMs: LEASE_MS, limit: 1 } as const

for (const [name, layer] of QUEUE_LAYERS) {
  const it = withLayer(layer)

  describe(`settle and lease at once over ${name}`, () => {
    it.effect("lands one entry and claims the next, with the same log as in two steps", () =>
      Effect.gen(function* () {
        const queue = yield* QueueService
        const [first, second] = [yield* enqueued({ taskId: "a" }), yield* enqueued({ taskId: "b" })]
        const lease = yield* leased()
        const { lost, leases } = yield* queue.settleAndLease(
          [settlement(lease, "committing"), settlement(lease, "applied")],
          NEXT,
        )
        expect([lost, leases.map((one) => one.entry.id)]).toEqual([[], [second]])
        expect(yield* events(first)).toEqual(["enqueued", "leased", "verified", "committing", "applied"])
        expect(leases[0]).toMatchObject({ token: 1, attempt: 1, worker: "worker-1" })
        expect(yield* entry(second)).toMatchObject({ state: "in_progress", lease_token: 1 })
        expect((yield* Effect.flatMap(AuditService, (audit) => audit.verify())).fault).toBeNull()
      }),
    )

    it.effect("an entry whose landing frees a dependent one is followed by it", () =>
      Effect.gen(function* () {
        const queue = yield* QueueService
        yield* enqueued({ taskId: "a" })
        const waits = yield* enqueued({ taskId: "b", dependsOn: ["a"] })
        const lease = yield* leased()
        const landing = [settlement(lease, "committing"), settlement(lease, "applied")]
        const { leases } = yield* queue.settleAndLease(landing, NEXT)
        expect(leases.map((one) => one.entry.id)).toEqual([waits])
      }),
    )

    it.effect("a lost lease loses its own write and nothing else", () =>
      Effect.gen(function* () {
        const queue = yield* QueueService
        const [first, second] = [yield* enqueued({ taskId: "a" }), yield* enqueued({ taskId: "b" })]
        const stale = yield* leased("zombie")
        const held = yield* leased("zombie")
        yield* queue.settle([settlement(held, "failed")])
        yield* TestClock.adjust(LEASE_MS + 1)
        yield* queue.maintain()
        const { lost, leases } = yield* queue.settleAndLease([settlement(stale, "committing")], NEXT)
        expect([lost, leases.map((one) => one.entry.id)]).toEqual([[first], [first]])
        expect((yield* entry(second)).state).toBe("failed")
        expect((yield* Effect.flatMap(AuditService, (audit) => audit.verify())).fault).toBeNull()
      }),
    )
  })
}
