import { describe, expect } from "bun:test"
import * as Effect from "effect/Effect"
import { AuditService } from "../../src/audit/AuditService.ts"
import { failByHand, markRefusal } from "../../src/queue/mark.ts"
import { QueueService } from "../../src/queue/QueueService.ts"
import { failureReport } from "../../src/queue/read.ts"
import { withLayer } from "../support/effect.ts"
import {
  aWithdrawal,
  enqueued,
  entry,
  events,
  landed,
  leased,
  QUEUE_LAYERS,
  settled,
} from "../support/queue.ts"

const fail = (id: number) =>
  Effect.flatMap(QueueService, (queue) =>
    queue.transact((db, at) => failByHand(db, id, "ada", "the API is gone", at)),
  )

for (const [name, layer] of QUEUE_LAYERS) {
  const it = withLayer(layer)

  describe(`marked as failed over ${name}`, () => {
    it.effect("from every state in which nobody has it, with a dead letter", () =>
      Effect.gen(function* () {
        const queue = yield* QueueService
        const ids: number[] = []
        for (const to of ["verified", "awaiting_approval", "scheduled"] as const) {
          ids.push(yield* enqueued({ taskId: to }))
          yield* settled(yield* leased(), to, { runAt: Number.MAX_SAFE_INTEGER })
        }
        ids.push(yield* enqueued({ taskId: "pending" }))
        for (const id of ids) {
          expect(yield* fail(id)).toMatchObject({ state: "failed", reason: "the API is gone" })
          expect(yield* events(id)).toContain("marked_failed")
          expect(yield* queue.read((db) => failureReport(db, id)?.code)).toBe("marked_failed")
          expect(yield* queue.requeue(id, "it is back", "ada")).toMatchObject({ state: "pending" })
          yield* fail(id)
        }
        expect((yield* Effect.flatMap(AuditService, (audit) => audit.verify())).fault).toBeNull()
      }),
    )

    it.effect("not what a worker has, what is decided, what is held or waits for another", () =>
      Effect.gen(function* () {
        const queue = yield* QueueService
        const done = yield* landed({ taskId: "landed" })
        const cancelled = yield* enqueued({ taskId: "cancelled" })
        yield* queue.withdraw(cancelled, aWithdrawal())
        const first = yield* enqueued({ taskId: "first" })
        const blocked = yield* enqueued({ taskId: "blocked", dependsOn: ["first"] })
        const lease = yield* leased()
        for (const id of [done, cancelled, first, blocked]) {
          const before = yield* entry(id)
          expect(markRefusal(before, false)).not.toBeNull()
          expect(yield* fail(id)).toBeNull()
          expect(yield* entry(id)).toEqual(before)
        }
        expect(lease.entry.id).toBe(first)
      }),
    )
  })
}
