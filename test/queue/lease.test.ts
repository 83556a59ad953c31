import { describe, expect } from "bun:test"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/TestClock"
import { AuditService } from "../../src/audit/AuditService.ts"
import { AGING_MS } from "../../src/queue/enqueue.ts"
import { QueueService } from "../../src/queue/QueueService.ts"
import { withLayer } from "../support/effect.ts"
import {
  anItem,
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

/** Leases everything, one at a time, and gives the tasks in that order. */
const order = Effect.gen(function* () {
  const queue = yield* QueueService
  const tasks: string[] = []
  for (;;) {
    const [lease] = yield* queue.lease("worker-1", HOUR, 1)
    if (!lease) return tasks
    tasks.push(lease.entry.task_id)
  }
})

const auditIsGreen = Effect.gen(function* () {
  expect((yield* Effect.flatMap(AuditService, (audit) => audit.verify())).fault).toBeNull()
})

for (const [name, layer] of QUEUE_LAYERS) {
  const it = withLayer(layer)

  describe(`lease order over ${name}`, () => {
    it.effect("first come first served within one agent and priority", () =>
      Effect.gen(function* () {
        for (const taskId of ["a", "b", "c", "d"]) yield* enqueued({ taskId })
        expect(yield* order).toEqual(["a", "b", "c", "d"])
      }),
    )

    it.effect("higher priority first", () =>
      Effect.gen(function* () {
        for (const priority of [0, 9, 5]) yield* enqueued({ taskId: `p${priority}`, priority })
        expect(yield* order).toEqual(["p9", "p5", "p0"])
      }),
    )

    it.effect("waiting is worth priority: a step per five minutes, so nothing starves", () =>
      Effect.gen(function* () {
        yield* enqueued({ taskId: "old-low", priority: 4 })
        yield* TestClock.adjust(AGING_MS - 1)
        yield* enqueued({ taskId: "new-high", agent: "codex", priority: 5 })
        yield* TestClock.adjust(2)
        yield* enqueued({ taskId: "newer-high", agent: "claude", priority: 5 })
        expect(yield* order).toEqual(["new-high", "old-low", "newer-high"])
      }),
    )

    it.effect("a flood of one agent queues behind what others bring while it is worked off", () =>
      Effect.gen(function* () {
        const queue = yield* QueueService
        yield* queue.enqueue(
          Array.from({ length: 200 }, (_, n) => anItem({ taskId: `flood-${n}`, agent: "flood" })),
          ENQUEUE,
        )
        const waits: number[] = []
        for (let minute = 0; minute < 20; minute++) {
          // Guards take 20 s: three of the flood are proven a minute.
          yield* queue.lease("worker-1", HOUR, 3)
          yield* TestClock.adjust(60_000)
          const id = yield* enqueued({ taskId: `other-${minute}`, agent: "other" })
          let waited = 0
          while ((yield* leased()).entry.id !== id) waited++
          waits.push(waited)
        }
        expect(Math.max(...waits)).toBeLessThanOrEqual(6)
      }),
    )

    it.effect("two floods are worked off in turns", () =>
      Effect.gen(function* () {
        const queue = yield* QueueService
        const flood = (agent: string) =>
          queue.enqueue(
            Array.from({ length: 20 }, (_, n) => anItem({ taskId: `${agent}-${n}`, agent })),
            ENQUEUE,
          )
        yield* flood("a")
        yield* flood("b")
        const tasks = (yield* order).map((task) => task[0])
        expect(tasks.slice(0, 20).filter((agent) => agent === "a")).toHaveLength(10)
      }),
    )

    it.effect("a flooding agent's urgent change still goes before its flood", () =>
      Effect.gen(function* () {
        const queue = yield* QueueService
        yield* queue.enqueue(
          Array.from({ length: 500 }, (_, n) => anItem({ taskId: `flood-${n}` })),
          ENQUEUE,
        )
        const urgent = yield* enqueued({ taskId: "urgent", priority: 9 })
        expect((yield* leased()).entry.id).toBe(urgent)
      }),
    )

    it.effect("a flood that was worked off is forgotten", () =>
      Effect.gen(function* () {
        const queue = yield* QueueService
        yield* queue.enqueue(
          Array.from({ length: 500 }, (_, n) => anItem({ taskId: `flood-${n}` })),
          ENQUEUE,
        )
        yield* queue.lease("worker-1", HOUR, 500)
        yield* TestClock.adjust(1_000)
        const mine = yield* enqueued({ taskId: "mine" })
        yield* TestClock.adjust(1_000)
        yield* enqueued({ taskId: "other", agent: "other" })
        expect((yield* leased()).entry.id).toBe(mine)
      }),
    )

    it.effect("held entries are passed over", () =>
      Effect.gen(function* () {
        const queue = yield* QueueService
        const held = yield* enqueued({ taskId: "held", priority: 9 })
        yield* queue.read((db) => db.run("UPDATE entry SET held = 1 WHERE id = ?", [held]))
        yield* enqueued({ taskId: "free" })
        expect(yield* order).toEqual(["free"])
      }),
    )
  })

  describe(`chains over ${name}`, () => {
    it.effect("come as one batch, dependencies first, whatever their ranks", () =>
      Effect.gen(function* () {
        const queue = yield* QueueService
        yield* enqueued({ taskId: "a", priority: 0 })
        yield* enqueued({ taskId: "b", priority: 0, dependsOn: ["a"] })
        yield* enqueued({ taskId: "c", priority: 9, dependsOn: ["b", "a"] })
        yield* enqueued({ taskId: "free" })
        const leases = yield* queue.lease("worker-1", LEASE_MS, 10)
        expect(leases.map((lease) => lease.entry.task_id)).toEqual(["free", "a", "b", "c"])
        for (const lease of leases) yield* settled(lease, "committing")
        for (const lease of leases) expect(yield* settled(lease, "applied")).toEqual({ lost: [] })
        expect(yield* queue.counts()).toMatchObject({ applied: 4, pending: 0 })
        yield* auditIsGreen
      }),
    )

    it.effect("are cut at the limit, and the rest waits for what it depends on", () =>
      Effect.gen(function* () {
        const queue = yield* QueueService
        yield* enqueued({ taskId: "a" })
        yield* enqueued({ taskId: "b", dependsOn: ["a"] })
        yield* enqueued({ taskId: "c", dependsOn: ["b"] })
        const leases = yield* queue.lease("worker-1", LEASE_MS, 2)
        expect(leases.map((lease) => lease.entry.task_id)).toEqual(["a", "b"])
        expect(yield* queue.lease("worker-2", LEASE_MS, 2)).toEqual([])
      }),
    )

    it.effect("a member whose other dependency is elsewhere stays behind", () =>
      Effect.gen(function* () {
        const queue = yield* QueueService
        yield* enqueued({ taskId: "elsewhere" })
        yield* leased("worker-2")
        yield* enqueued({ taskId: "a" })
        yield* enqueued({ taskId: "b", dependsOn: ["a", "elsewhere"] })
        const leases = yield* queue.lease("worker-1", LEASE_MS, 10)
        expect(leases.map((lease) => lease.entry.task_id)).toEqual(["a"])
      }),
    )

    it.effect("a member is not leased when what it depends on fell out on the way", () =>
      Effect.gen(function* () {
        const queue = yield* QueueService
        const a = yield* enqueued({ taskId: "a", ttlSeconds: 60 })
        const b = yield* enqueued({ taskId: "b", dependsOn: ["a"] })
        yield* enqueued({ taskId: "c", dependsOn: ["b"] })
        yield* enqueued({ taskId: "free" })
        yield* TestClock.adjust(60_000)
        const leases = yield* queue.lease("worker-1", LEASE_MS, 10)
        expect(leases.map((lease) => lease.entry.task_id)).toEqual(["free"])
        expect((yield* entry(a)).state).toBe("failed")
        expect(yield* entry(b)).toMatchObject({ state: "pending", blockers: 1, attempts: 0 })
      }),
    )

    it.effect("nothing starts landing before what it depends on", () =>
      Effect.gen(function* () {
        const queue = yield* QueueService
        yield* enqueued({ taskId: "a" })
        const b = yield* enqueued({ taskId: "b", dependsOn: ["a"] })
        const [first, second] = yield* queue.lease("worker-1", LEASE_MS, 2)
        yield* settled(first!, "failed")
        expect(yield* settled(second!, "committing")).toEqual({ lost: [b] })
        expect(yield* entry(b)).toMatchObject({
          state: "pending",
          reason_code: "dependency_open",
          attempts: 0,
        })
      }),
    )

    it.effect("a proven entry is not claimed before what it depends on is landing", () =>
      Effect.gen(function* () {
        const queue = yield* QueueService
        const a = yield* enqueued({ taskId: "a" })
        const b = yield* enqueued({ taskId: "b", dependsOn: ["a"] })
        const leases = yield* queue.lease("worker-1", LEASE_MS, 2)
        for (const lease of leases) yield* settled(lease, "verified")
        expect(yield* queue.claimProven(b, "worker-1", LEASE_MS)).toBeNull()
        const first = yield* queue.claimProven(a, "worker-1", LEASE_MS)
        const second = yield* queue.claimProven(b, "worker-1", LEASE_MS)
        yield* settled(first!, "applied")
        yield* settled(second!, "applied")
        expect(yield* queue.counts()).toMatchObject({ applied: 2 })
      }),
    )
  })

  describe(`an idle queue over ${name}`, () => {
    it.effect("polling writes nothing", () =>
      Effect.gen(function* () {
        const queue = yield* QueueService
        const id = yield* enqueued()
        yield* settled(yield* leased(), "committing")
        yield* TestClock.adjust(HOUR)
        const changes = () =>
          queue.read((db) => db.query<{ n: number }, []>("SELECT total_changes() AS n").get()!.n)
        const before = yield* changes()
        for (let poll = 0; poll < 10; poll++) {
          expect(yield* queue.lease("worker-1", LEASE_MS, 10)).toEqual([])
          // The landing's lease ran out long ago: recovery decides, the watchdog leaves it.
          expect(yield* queue.maintain()).toBe(false)
          yield* TestClock.adjust(1_000)
        }
        expect(yield* changes()).toBe(before)
        expect(yield* events(id)).toEqual(["enqueued", "leased", "verified", "committing"])
      }),
    )
  })
}
