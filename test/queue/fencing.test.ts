import { describe, expect } from "bun:test"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/TestClock"
import { AuditService } from "../../src/audit/AuditService.ts"
import { QueueService } from "../../src/queue/QueueService.ts"
import { failureReport } from "../../src/queue/read.ts"
import { START, withLayer } from "../support/effect.ts"
import {
  anItem,
  DAY,
  enqueued,
  entry,
  HOUR,
  history,
  LEASE_MS,
  leased,
  QUEUE_LAYERS,
  settled,
} from "../support/queue.ts"

const YEAR = 365 * DAY

const auditIsGreen = Effect.gen(function* () {
  expect((yield* Effect.flatMap(AuditService, (audit) => audit.verify())).fault).toBeNull()
})

for (const [name, layer] of QUEUE_LAYERS) {
  const it = withLayer(layer)

  describe(`fencing over ${name}`, () => {
    const zombie = Effect.gen(function* () {
      const queue = yield* QueueService
      const id = yield* enqueued()
      const stale = yield* leased("zombie")
      yield* TestClock.adjust(LEASE_MS + 1)
      yield* queue.maintain()
      const fresh = yield* leased("worker-2")
      return { id, stale, fresh }
    })

    for (const to of [
      "committing",
      "awaiting_approval",
      "verified",
      "scheduled",
      "pending",
      "conflict",
      "failed",
      "applied",
      "undone",
    ] as const)
      it.effect(`a zombie worker's ${to} does not overwrite the new lease holder`, () =>
        Effect.gen(function* () {
          const { id, stale, fresh } = yield* zombie
          const before = yield* entry(id)
          expect(yield* settled(stale, to)).toEqual({ lost: [id] })
          expect(yield* entry(id)).toEqual({ ...before, audit_seq: before.audit_seq + 1 })
          expect(yield* settled(fresh, "committing")).toEqual({ lost: [] })
          expect(yield* settled(stale, to)).toEqual({ lost: [id] })
          expect(yield* settled(fresh, "applied")).toEqual({ lost: [] })
          expect(yield* settled(stale, to)).toEqual({ lost: [id] })
          expect((yield* entry(id)).state).toBe("applied")
          yield* auditIsGreen
        }),
      )

    it.effect("a stale owner cannot renew, and history says once whose lease was lost", () =>
      Effect.gen(function* () {
        const queue = yield* QueueService
        const { id, stale } = yield* zombie
        const before = yield* entry(id)
        expect(yield* queue.renew([stale], HOUR)).toEqual([id])
        expect(yield* queue.renew([stale], HOUR)).toEqual([id])
        expect(yield* entry(id)).toEqual({ ...before, audit_seq: before.audit_seq + 1 })
        const rows = yield* history(id)
        expect(rows.map((row) => row.event)).toEqual([
          "enqueued",
          "leased",
          "lease_reclaimed",
          "leased",
          "lease_lost",
        ])
        expect(JSON.parse(rows[2]!.data)).toMatchObject({ owner: "zombie", token: stale.token })
        expect(JSON.parse(rows[4]!.data)).toEqual({ owner: "zombie", token: stale.token, refused: "renew" })
        yield* auditIsGreen
      }),
    )

    it.effect("a lost lease loses only its own write of a batch", () =>
      Effect.gen(function* () {
        const queue = yield* QueueService
        const first = yield* enqueued({ taskId: "a" })
        const second = yield* enqueued({ taskId: "b" })
        const leases = yield* queue.lease("worker-1", LEASE_MS, 2)
        yield* queue.withdraw(first, { event: "cancelled", actor: "operator", code: "x", text: "x" })
        expect(yield* queue.renew(leases, HOUR)).toEqual([first])
        expect((yield* entry(second)).leased_until).toBe(START + HOUR)
      }),
    )

    it.effect("tokens grow with every lease of an entry, over requeue too", () =>
      Effect.gen(function* () {
        const queue = yield* QueueService
        const id = yield* enqueued()
        const tokens: number[] = []
        for (let round = 0; round < 3; round++) {
          const lease = yield* leased()
          tokens.push(lease.token)
          yield* settled(lease, "failed")
          yield* queue.requeue(id, "again", "operator")
        }
        expect(tokens).toEqual([...new Set(tokens)].sort((a, b) => a - b))
      }),
    )

    it.effect("a renewed lease is not reclaimed, and landing keeps the renewed time", () =>
      Effect.gen(function* () {
        const queue = yield* QueueService
        const id = yield* enqueued()
        const lease = yield* leased()
        yield* TestClock.adjust(LEASE_MS - 1)
        expect(yield* queue.renew([lease], LEASE_MS)).toEqual([])
        yield* TestClock.adjust(LEASE_MS - 1)
        expect(yield* queue.maintain()).toBe(false)
        yield* settled(lease, "committing")
        expect((yield* entry(id)).leased_until).toBe(START + 2 * LEASE_MS - 1)
      }),
    )

    for (const step of [YEAR, -YEAR])
      it.effect(`a clock step of ${step > 0 ? "+" : "-"}1 year makes no second owner`, () =>
        Effect.gen(function* () {
          const queue = yield* QueueService
          const id = yield* enqueued({ ttlSeconds: 10 * 365 * 86_400 })
          const stale = yield* leased("worker-1")
          yield* TestClock.setTime(START + step)
          yield* queue.maintain()
          const [fresh] = yield* queue.lease("worker-2", LEASE_MS, 1)
          const owners = []
          for (const lease of [stale, ...(fresh ? [fresh] : [])])
            if ((yield* queue.renew([lease], LEASE_MS)).length === 0) owners.push(lease.worker)
          expect(owners).toEqual([step > 0 ? "worker-2" : "worker-1"])
          expect((yield* entry(id)).leased_until).toBe(START + step + LEASE_MS)
          yield* auditIsGreen
        }),
      )

    it.effect("after a step to the future and back, what expires is still found", () =>
      Effect.gen(function* () {
        const queue = yield* QueueService
        yield* TestClock.setTime(START + YEAR)
        yield* queue.maintain()
        yield* TestClock.setTime(START)
        const id = yield* enqueued({ ttlSeconds: 60 })
        yield* TestClock.adjust(60_000)
        expect(yield* queue.maintain()).toBe(true)
        expect(yield* entry(id)).toMatchObject({ state: "failed", reason_code: "ttl_expired" })
      }),
    )

    it.effect("a clock set back and forth between two polls hides no expiry", () =>
      Effect.gen(function* () {
        const queue = yield* QueueService
        yield* TestClock.setTime(START + HOUR)
        yield* queue.maintain()
        yield* TestClock.setTime(START)
        const id = yield* enqueued({ ttlSeconds: 3_600 })
        yield* TestClock.setTime(START + HOUR)
        expect(yield* queue.maintain()).toBe(true)
        expect((yield* entry(id)).reason_code).toBe("ttl_expired")
      }),
    )
  })

  describe(`unreadable payloads over ${name}`, () => {
    for (const [what, body] of [
      ["no JSON", "{"],
      ["another document", "{}"],
      ["null", "null"],
      ["another cast's text", JSON.stringify({ checksum: "x", change_request: {} })],
    ] as const)
      it.effect(`${what}: one bad row does not block the others`, () =>
        Effect.gen(function* () {
          const queue = yield* QueueService
          const bad = yield* enqueued({ taskId: "bad" })
          const good = yield* enqueued({ taskId: "good" })
          yield* queue.read((db) => db.run("UPDATE entry_payload SET body = ? WHERE id = ?", [body, bad]))
          expect((yield* leased()).entry.id).toBe(good)
          expect(yield* entry(bad)).toMatchObject({ state: "failed", reason_code: "payload_unreadable" })
          expect(yield* queue.read((db) => failureReport(db, bad))).toMatchObject({
            code: "payload_unreadable",
          })
        }),
      )

    it.effect("a payload that is a valid cast, but not the accepted one, is never landed", () =>
      Effect.gen(function* () {
        const queue = yield* QueueService
        const id = yield* enqueued()
        const other = anItem({ content: "rm -rf\n" }).cast
        yield* settled(yield* leased(), "verified")
        yield* queue.read((db) =>
          db.run("UPDATE entry_payload SET body = ? WHERE id = ?", [JSON.stringify(other), id]),
        )
        expect(yield* queue.claimProven(id, "worker-1", LEASE_MS)).toBeNull()
        expect(yield* queue.lease("worker-1", LEASE_MS, 1)).toEqual([])
        expect((yield* entry(id)).state).toBe("failed")
      }),
    )
  })
}
