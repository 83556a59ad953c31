import { describe, expect } from "bun:test"
import * as Effect from "effect/Effect"
import { AuditService } from "../../src/audit/AuditService.ts"
import { freezeOf, freezeQueue, thawQueue } from "../../src/queue/freeze.ts"
import { heldEntries, holdEntry, holdOf, releaseEntry } from "../../src/queue/hold.ts"
import { QueueService } from "../../src/queue/QueueService.ts"
import { START, withLayer } from "../support/effect.ts"
import {
  anItem,
  aWithdrawal,
  ENQUEUE,
  enqueued,
  entry,
  events,
  LEASE_MS,
  landed,
  leased,
  QUEUE_LAYERS,
  settled,
} from "../support/queue.ts"

const hold = (id: number, reason = "after the release") =>
  Effect.flatMap(QueueService, (queue) =>
    queue.transact((db, at) => holdEntry(db, id, { actor: "ada", reason }, at)),
  )
const release = (id: number) =>
  Effect.flatMap(QueueService, (queue) => queue.transact((db, at) => releaseEntry(db, id, "ada", at)))
const freeze = Effect.flatMap(QueueService, (queue) =>
  queue.transact((db, at) => freezeQueue(db, { actor: "ada", reason: "release" }, at)),
)
const thaw = Effect.flatMap(QueueService, (queue) => queue.transact((db, at) => thawQueue(db, "ada", at)))

const auditIsGreen = Effect.gen(function* () {
  expect((yield* Effect.flatMap(AuditService, (audit) => audit.verify())).fault).toBeNull()
})

for (const [name, layer] of QUEUE_LAYERS) {
  const it = withLayer(layer)

  describe(`hold over ${name}`, () => {
    it.effect("a held entry is passed over until it is released", () =>
      Effect.gen(function* () {
        const queue = yield* QueueService
        const first = yield* enqueued({ taskId: "a" })
        const second = yield* enqueued({ taskId: "b" })
        yield* hold(first)
        expect((yield* leased()).entry.id).toBe(second)
        expect(yield* queue.lease("worker-1", LEASE_MS, 10)).toEqual([])
        expect(yield* queue.lease("worker-1", LEASE_MS, 1, first)).toEqual([])
        expect(yield* queue.read((db) => heldEntries(db, 10).map(({ id }) => id))).toEqual([first])
        expect(yield* release(first)).toMatchObject({ held: 0, state: "pending" })
        expect((yield* leased()).entry.id).toBe(first)
        expect(yield* events(first)).toEqual(["enqueued", "held", "released", "leased"])
        yield* auditIsGreen
      }),
    )

    it.effect("who works on it may prove it, and may not land it", () =>
      Effect.gen(function* () {
        const queue = yield* QueueService
        const id = yield* enqueued()
        const lease = yield* leased()
        yield* hold(id)
        expect(yield* settled(lease, "committing")).toEqual({ lost: [id] })
        expect(yield* entry(id)).toMatchObject({
          state: "pending",
          held: 1,
          attempts: 0,
          reason_code: "held",
        })
        yield* release(id)
        yield* settled(yield* leased(), "verified")
        yield* hold(id)
        expect(yield* queue.proven(10)).toEqual([])
        expect(yield* queue.claimProven(id, "worker-1", LEASE_MS)).toBeNull()
        yield* release(id)
        expect(yield* queue.claimProven(id, "worker-1", LEASE_MS)).not.toBeNull()
        yield* auditIsGreen
      }),
    )

    it.effect("says who holds it and why, once", () =>
      Effect.gen(function* () {
        const queue = yield* QueueService
        const id = yield* enqueued()
        yield* hold(id)
        yield* hold(id, "another reason")
        const row = yield* entry(id)
        expect(yield* queue.read((db) => holdOf(db, row))).toEqual({
          actor: "ada",
          reason: "after the release",
          at: START,
        })
        expect(yield* events(id)).toEqual(["enqueued", "held"])
      }),
    )

    it.effect("what has landed, ended or begun to land is not held, what is not held not released", () =>
      Effect.gen(function* () {
        const queue = yield* QueueService
        expect(yield* hold(yield* landed({ taskId: "landed" }))).toBeNull()
        const cancelled = yield* enqueued({ taskId: "cancelled" })
        yield* queue.withdraw(cancelled, aWithdrawal())
        expect(yield* hold(cancelled)).toBeNull()
        const landing = yield* enqueued({ taskId: "landing" })
        yield* settled(yield* leased(), "committing")
        expect(yield* hold(landing)).toBeNull()
        expect(yield* release(landing)).toBeNull()
        expect(yield* hold(999)).toBeNull()
      }),
    )

    it.effect("an agent's next answer to the task is held as the one before was", () =>
      Effect.gen(function* () {
        const queue = yield* QueueService
        const first = yield* enqueued({ content: "one\n" })
        yield* hold(first, "wrong approach")
        const [outcome] = yield* queue.enqueue([anItem({ content: "two\n" })], ENQUEUE)
        expect(outcome).toMatchObject({ outcome: "queued", superseded: [first] })
        const second = yield* entry(first + 1)
        expect(yield* queue.read((db) => holdOf(db, second)?.reason)).toBe("wrong approach")
        expect(yield* queue.lease("worker-1", LEASE_MS, 10)).toEqual([])
        yield* auditIsGreen
      }),
    )
  })

  describe(`freeze over ${name}`, () => {
    it.effect("entries are leased and proven; none begins to land until the thaw", () =>
      Effect.gen(function* () {
        const queue = yield* QueueService
        const leasedId = yield* enqueued({ taskId: "a" })
        const provenId = yield* enqueued({ taskId: "b" })
        const lease = yield* leased()
        yield* settled(yield* leased(), "verified")
        expect(yield* freeze).toBeNull()
        expect(yield* freeze).toMatchObject({ actor: "ada", reason: "release", at: START })
        expect(yield* queue.claimProven(provenId, "worker-1", LEASE_MS)).toBeNull()
        expect(yield* settled(lease, "committing")).toEqual({ lost: [leasedId] })
        expect(yield* entry(leasedId)).toMatchObject({ state: "pending", reason_code: "frozen", attempts: 0 })
        expect(yield* thaw).toMatchObject({ reason: "release" })
        expect(yield* thaw).toBeNull()
        expect(yield* queue.read(freezeOf)).toBeNull()
        expect(yield* queue.claimProven(provenId, "worker-1", LEASE_MS)).not.toBeNull()
        yield* auditIsGreen
      }),
    )

    it.effect("a landing that was begun is finished", () =>
      Effect.gen(function* () {
        const id = yield* enqueued()
        const lease = yield* leased()
        yield* settled(lease, "committing")
        yield* freeze
        expect(yield* settled(lease, "applied")).toEqual({ lost: [] })
        expect((yield* entry(id)).state).toBe("applied")
      }),
    )

    it.effect("one that cannot be read still stops landings", () =>
      Effect.gen(function* () {
        const queue = yield* QueueService
        yield* freeze
        yield* queue.transact((db) => db.run("UPDATE meta SET value = '{' WHERE key = 'freeze'"))
        const id = yield* enqueued()
        expect(yield* settled(yield* leased(), "committing")).toEqual({ lost: [id] })
        expect(yield* thaw).toMatchObject({ reason: "the stored freeze cannot be read" })
      }),
    )

    it.effect("the thaw takes the reason away that only the freeze gave", () =>
      Effect.gen(function* () {
        const queue = yield* QueueService
        const frozen = yield* enqueued({ taskId: "a" })
        const dirty = yield* enqueued({ taskId: "b" })
        yield* settled(yield* leased(), "verified")
        yield* settled(yield* leased(), "verified")
        yield* freeze
        yield* queue.explain([frozen], { code: "frozen", text: "no landings" })
        yield* queue.explain([dirty], { code: "blocked_dirty", text: "a.txt" })
        yield* thaw
        expect((yield* entry(frozen)).reason_code).toBeNull()
        expect((yield* entry(dirty)).reason_code).toBe("blocked_dirty")
      }),
    )
  })
}
