import { describe, expect } from "bun:test"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/TestClock"
import { QueueService } from "../../src/queue/QueueService.ts"
import { deadLetters, failureReport } from "../../src/queue/read.ts"
import { START, withLayer } from "../support/effect.ts"
import {
  anItem,
  DAY,
  ENQUEUE,
  enqueued,
  entry,
  events,
  HOUR,
  LEASE_MS,
  leased,
  QUEUE_LAYERS,
  settled,
} from "../support/queue.ts"

const WEEK = 7 * DAY

for (const [name, layer] of QUEUE_LAYERS) {
  const it = withLayer(layer)

  describe(`the watchdog over ${name}`, () => {
    it.effect("takes a lease back after its time, not at it, and charges the attempt", () =>
      Effect.gen(function* () {
        const queue = yield* QueueService
        const id = yield* enqueued()
        yield* leased()
        yield* TestClock.adjust(LEASE_MS)
        expect(yield* queue.maintain()).toBe(false)
        yield* TestClock.adjust(1)
        expect(yield* queue.maintain()).toBe(true)
        expect(yield* entry(id)).toMatchObject({
          state: "pending",
          attempts: 1,
          lease_owner: null,
          leased_until: null,
          reason_code: "lease_reclaimed",
        })
      }),
    )

    it.effect("makes a dead letter when the attempts are spent", () =>
      Effect.gen(function* () {
        const queue = yield* QueueService
        const id = yield* enqueued({ maxAttempts: 2 })
        for (let attempt = 0; attempt < 2; attempt++) {
          yield* leased()
          yield* TestClock.adjust(LEASE_MS + 1)
          yield* queue.maintain()
        }
        expect(yield* entry(id)).toMatchObject({
          state: "failed",
          attempts: 2,
          reason_code: "attempts_spent",
        })
        const [letter] = yield* queue.read((db) => deadLetters(db, { limit: 10 }))
        expect(letter).toMatchObject({ entry_id: id, reason_class: "attempts" })
        expect((yield* queue.read((db) => failureReport(db, id)))?.hint).toContain("hyperion requeue")
      }),
    )

    it.effect("works in bounded chunks until nothing is left", () =>
      Effect.gen(function* () {
        const queue = yield* QueueService
        yield* queue.enqueue(
          Array.from({ length: 250 }, (_, n) => anItem({ taskId: `t-${n}` })),
          ENQUEUE,
        )
        yield* queue.lease("worker-1", LEASE_MS, 250)
        yield* TestClock.adjust(LEASE_MS + 1)
        const left: number[] = []
        while (yield* queue.maintain()) left.push((yield* queue.counts()).in_progress)
        expect(left).toEqual([150, 50, 0])
      }),
    )

    it.effect("leaves landings to recovery, and they do not hide expired leases behind them", () =>
      Effect.gen(function* () {
        const queue = yield* QueueService
        yield* queue.enqueue(
          Array.from({ length: 120 }, (_, n) => anItem({ taskId: `t-${n}` })),
          ENQUEUE,
        )
        for (const lease of yield* queue.lease("worker-1", LEASE_MS, 120)) yield* settled(lease, "committing")
        const id = yield* enqueued({ taskId: "late" })
        yield* leased()
        yield* TestClock.adjust(LEASE_MS + 1)
        expect(yield* queue.maintain()).toBe(true)
        expect((yield* entry(id)).state).toBe("pending")
        expect((yield* queue.counts()).committing).toBe(120)
        expect(yield* queue.maintain()).toBe(false)
      }),
    )
  })

  describe(`retries over ${name}`, () => {
    it.effect("become ready when due, in bounded chunks, and keep their reason", () =>
      Effect.gen(function* () {
        const queue = yield* QueueService
        yield* queue.enqueue(
          Array.from({ length: 150 }, (_, n) => anItem({ taskId: `t-${n}` })),
          ENQUEUE,
        )
        for (const lease of yield* queue.lease("worker-1", LEASE_MS, 150))
          yield* settled(lease, "scheduled", { runAt: START + HOUR })
        yield* TestClock.adjust(HOUR - 1)
        expect(yield* queue.maintain()).toBe(false)
        expect(yield* queue.lease("worker-1", LEASE_MS, 1)).toEqual([])
        yield* TestClock.adjust(1)
        expect(yield* queue.maintain()).toBe(true)
        expect(yield* queue.counts()).toMatchObject({ pending: 100, scheduled: 50 })
        yield* queue.maintain()
        expect(yield* queue.counts()).toMatchObject({ pending: 150, scheduled: 0 })
        const lease = yield* leased()
        expect(lease.attempt).toBe(2)
        expect(yield* events(lease.entry.id)).toEqual([
          "enqueued",
          "leased",
          "retry_scheduled",
          "promoted",
          "leased",
        ])
      }),
    )

    it.effect("an uncharged retry gives the attempt back", () =>
      Effect.gen(function* () {
        const id = yield* enqueued()
        yield* settled(yield* leased(), "scheduled", { charged: false })
        expect(yield* entry(id)).toMatchObject({ state: "scheduled", attempts: 0 })
      }),
    )

    it.effect("a charged retry with no attempt left is a dead letter", () =>
      Effect.gen(function* () {
        const queue = yield* QueueService
        const id = yield* enqueued({ maxAttempts: 1 })
        yield* settled(yield* leased(), "scheduled", { charged: true })
        expect(yield* entry(id)).toMatchObject({ state: "failed", reason_code: "attempts_spent" })
        expect((yield* queue.read((db) => deadLetters(db, { limit: 10 })))[0]).toMatchObject({
          reason_class: "attempts",
        })
      }),
    )

    it.effect("neither a moved base nor giving back spends attempts", () =>
      Effect.gen(function* () {
        const queue = yield* QueueService
        const id = yield* enqueued({ maxAttempts: 2 })
        for (let round = 0; round < 5; round++) {
          yield* settled(yield* leased(), "verified")
          yield* queue.baseMoved([id], "worker-1", { to: "abc" })
          yield* settled(yield* leased(), "pending")
        }
        expect(yield* entry(id)).toMatchObject({ state: "pending", attempts: 0 })
      }),
    )
  })

  describe(`time to live over ${name}`, () => {
    it.effect("ends scheduled, pending, verified and waiting entries at its instant", () =>
      Effect.gen(function* () {
        const queue = yield* QueueService
        const ids: number[] = []
        for (const [taskId, to] of [
          ["scheduled", "scheduled"],
          ["verified", "verified"],
          ["awaiting", "awaiting_approval"],
        ] as const) {
          ids.push(yield* enqueued({ taskId }))
          yield* settled(yield* leased(), to, { runAt: START + 2 * WEEK })
        }
        ids.push(yield* enqueued({ taskId: "pending" }))
        yield* TestClock.adjust(WEEK - 1)
        expect(yield* queue.maintain()).toBe(false)
        yield* TestClock.adjust(1)
        expect(yield* queue.maintain()).toBe(true)
        for (const id of ids) {
          expect(yield* entry(id)).toMatchObject({ state: "failed", reason_code: "ttl_expired" })
          expect((yield* events(id)).at(-1)).toBe("expired")
        }
        const letters = yield* queue.read((db) => deadLetters(db, { limit: 10 }))
        expect(letters.map((letter) => letter.reason_class)).toEqual(["ttl", "ttl", "ttl", "ttl"])
        expect(yield* queue.maintain()).toBe(false)
      }),
    )

    it.effect("is looked at again when a held entry comes back", () =>
      Effect.gen(function* () {
        const queue = yield* QueueService
        const id = yield* enqueued()
        const lease = yield* leased("worker-1", 2 * WEEK)
        yield* TestClock.adjust(WEEK)
        expect(yield* queue.maintain()).toBe(false)
        expect((yield* entry(id)).state).toBe("in_progress")
        yield* settled(lease, "verified")
        expect(yield* queue.maintain()).toBe(true)
        expect((yield* entry(id)).state).toBe("failed")
      }),
    )

    it.effect("counts until the landing starts, not after", () =>
      Effect.gen(function* () {
        const queue = yield* QueueService
        const late = yield* enqueued({ taskId: "late" })
        const landing = yield* enqueued({ taskId: "landing" })
        const proven = yield* enqueued({ taskId: "proven" })
        const [a, b, c] = yield* queue.lease("worker-1", 2 * WEEK, 3)
        yield* settled(b!, "committing")
        yield* settled(c!, "verified")
        yield* TestClock.adjust(WEEK)
        expect(yield* settled(a!, "committing")).toEqual({ lost: [late] })
        expect(yield* queue.claimProven(proven, "worker-1", HOUR)).toBeNull()
        yield* queue.maintain()
        expect(yield* settled(b!, "applied")).toEqual({ lost: [] })
        expect((yield* entry(late)).reason_code).toBe("ttl_expired")
        expect((yield* entry(proven)).reason_code).toBe("ttl_expired")
        expect((yield* entry(landing)).state).toBe("applied")
      }),
    )

    it.effect("expired entries ahead of a ready one do not look like an empty queue", () =>
      Effect.gen(function* () {
        const queue = yield* QueueService
        yield* queue.enqueue(
          Array.from({ length: 7 }, (_, n) => anItem({ taskId: `t-${n}`, ttlSeconds: 60 })),
          ENQUEUE,
        )
        const id = yield* enqueued({ taskId: "ready", priority: 0 })
        yield* TestClock.adjust(60_000)
        expect((yield* leased()).entry.id).toBe(id)
        expect(yield* queue.counts()).toMatchObject({ failed: 7, in_progress: 1 })
      }),
    )
  })
}
