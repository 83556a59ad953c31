import { describe, expect } from "bun:test"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as TestClock from "effect/TestClock"
import { toTimestamp } from "../../src/domain/time.ts"
import { QueueService } from "../../src/queue/QueueService.ts"
import { approvalsOf, deadLetters, verificationOf } from "../../src/queue/read.ts"
import { START, withLayer } from "../support/effect.ts"
import {
  aDecision,
  aVerification,
  aWithdrawal,
  DAY,
  enqueued,
  entry,
  events,
  history,
  LEASE_MS,
  landed,
  leased,
  outcomeOf,
  QUEUE_LAYERS,
  settled,
} from "../support/queue.ts"

for (const [name, layer] of QUEUE_LAYERS) {
  const it = withLayer(layer)

  describe(`requeue over ${name}`, () => {
    it.effect("puts a failed entry back with its reason, attempts at 0 and no dead letter", () =>
      Effect.gen(function* () {
        const queue = yield* QueueService
        const id = yield* enqueued()
        yield* settled(yield* leased(), "failed")
        yield* queue.requeue(id, "the network is back", "ada")
        expect(yield* entry(id)).toMatchObject({ state: "pending", attempts: 0, reason: null })
        expect(yield* queue.read((db) => deadLetters(db, { limit: 10 }))).toEqual([])
        const row = (yield* history(id)).at(-1)!
        expect(row).toMatchObject({ event: "requeued", actor: "ada" })
        expect(JSON.parse(row.data)).toMatchObject({ why: "the network is back" })
      }),
    )

    it.effect("reuses the cast and starts an expired time to live anew", () =>
      Effect.gen(function* () {
        const queue = yield* QueueService
        const id = yield* enqueued()
        yield* TestClock.adjust(8 * DAY)
        yield* queue.maintain()
        expect((yield* entry(id)).reason_code).toBe("ttl_expired")
        yield* queue.requeue(id, "still wanted", "ada")
        expect((yield* entry(id)).expires_at).toBe(START + 15 * DAY)
        expect(yield* queue.maintain()).toBe(false)
        const lease = yield* leased()
        expect(lease.cast.created_at).toBe(toTimestamp(START))
        yield* settled(lease, "pending")
        yield* TestClock.adjust(7 * DAY)
        yield* queue.maintain()
        expect((yield* entry(id)).reason_code).toBe("ttl_expired")
      }),
    )

    it.effect("does nothing to an entry that is not failed", () =>
      Effect.gen(function* () {
        const queue = yield* QueueService
        const id = yield* enqueued()
        const head = yield* queue.head()
        expect(yield* queue.requeue(id, "x", "ada")).toBeNull()
        expect(yield* queue.requeue(999, "x", "ada")).toBeNull()
        expect(yield* queue.head()).toEqual(head)
      }),
    )

    it.effect("does not bring back what a newer submission of its task has replaced", () =>
      Effect.gen(function* () {
        const queue = yield* QueueService
        const id = yield* enqueued()
        yield* settled(yield* leased(), "failed")
        const again = yield* enqueued()
        expect(yield* queue.requeue(id, "x", "ada")).toBeNull()
        const lease = yield* leased()
        expect(lease.entry.id).toBe(again)
        yield* settled(lease, "committing")
        yield* settled(lease, "applied")
        expect(yield* queue.requeue(id, "x", "ada")).toBeNull()
        expect((yield* entry(id)).state).toBe("failed")
      }),
    )
  })

  describe(`withdrawing over ${name}`, () => {
    it.effect("voids approvals, drops the proof and takes the lease", () =>
      Effect.gen(function* () {
        const queue = yield* QueueService
        const id = yield* enqueued()
        yield* settled(yield* leased(), "awaiting_approval")
        yield* queue.approve({ entryId: id }, aDecision(), false)
        yield* queue.withdraw(id, aWithdrawal())
        expect(yield* entry(id)).toMatchObject({ state: "cancelled", lease_owner: null })
        expect((yield* queue.read((db) => approvalsOf(db, { entryId: id })))[0]).toMatchObject({
          voided_at: START,
        })
        expect(yield* queue.read((db) => verificationOf(db, id))).toBeNull()
      }),
    )

    it.effect("a worker that holds it loses it", () =>
      Effect.gen(function* () {
        const queue = yield* QueueService
        const id = yield* enqueued()
        const lease = yield* leased()
        yield* queue.withdraw(id, aWithdrawal())
        expect(yield* queue.renew([lease], LEASE_MS)).toEqual([id])
        expect(yield* settled(lease, "committing")).toEqual({ lost: [id] })
      }),
    )

    it.effect("a rejection keeps who and why", () =>
      Effect.gen(function* () {
        const queue = yield* QueueService
        const id = yield* enqueued()
        yield* queue.withdraw(
          id,
          aWithdrawal({
            event: "rejected",
            actor: "ada",
            text: "wrong file",
            decision: aDecision({ decision: "reject", note: "wrong file" }),
          }),
        )
        expect((yield* queue.read((db) => approvalsOf(db, { entryId: id })))[0]).toMatchObject({
          decision: "reject",
          approver: "ada",
          note: "wrong file",
        })
        expect((yield* history(id)).at(-1)).toMatchObject({ event: "rejected", actor: "ada" })
      }),
    )

    for (const [state, reach] of [
      [
        "committing",
        Effect.gen(function* () {
          const id = yield* enqueued()
          yield* settled(yield* leased(), "committing")
          return id
        }),
      ],
      ["applied", landed()],
      [
        "conflict",
        Effect.gen(function* () {
          const id = yield* enqueued()
          yield* settled(yield* leased(), "conflict")
          return id
        }),
      ],
      [
        "failed",
        Effect.gen(function* () {
          const id = yield* enqueued()
          yield* settled(yield* leased(), "failed")
          return id
        }),
      ],
      [
        "cancelled",
        Effect.gen(function* () {
          const queue = yield* QueueService
          const id = yield* enqueued()
          yield* queue.withdraw(id, aWithdrawal())
          return id
        }),
      ],
    ] as const)
      it.effect(`is too late for ${state}, and writes nothing`, () =>
        Effect.gen(function* () {
          const queue = yield* QueueService
          const id = yield* reach
          const before = yield* entry(id)
          const head = yield* queue.head()
          const rejection = aWithdrawal({ event: "rejected", decision: aDecision({ decision: "reject" }) })
          expect(yield* queue.withdraw(id, rejection)).toBeNull()
          expect(yield* entry(id)).toEqual(before)
          expect(yield* queue.head()).toEqual(head)
          expect(yield* queue.read((db) => approvalsOf(db, { entryId: id }))).toEqual([])
        }),
      )
  })

  describe(`approvals over ${name}`, () => {
    it.effect("are recorded in the entry's history, and move it only when they suffice", () =>
      Effect.gen(function* () {
        const queue = yield* QueueService
        const id = yield* enqueued()
        yield* queue.approve({ entryId: id }, aDecision({ approver: "bob" }), true)
        expect((yield* entry(id)).state).toBe("pending")
        yield* settled(yield* leased(), "awaiting_approval")
        yield* queue.approve({ entryId: id }, aDecision({ approver: "ada" }), false)
        expect((yield* entry(id)).state).toBe("awaiting_approval")
        yield* queue.approve({ entryId: id }, aDecision({ approver: "eve", note: "fine" }), true)
        expect((yield* entry(id)).state).toBe("verified")
        expect(yield* events(id)).toEqual([
          "enqueued",
          "approval_recorded",
          "leased",
          "verified",
          "approval_missing",
          "approval_recorded",
          "approved",
        ])
        expect(JSON.parse((yield* history(id)).at(-1)!.data)).toMatchObject({
          digest: aDecision().digest,
          presence: "tty",
          attested: false,
          note: "fine",
        })
      }),
    )

    it.effect("an agent's own approvals are a claim: none of them is stored as a decision", () =>
      Effect.gen(function* () {
        const queue = yield* QueueService
        const id = yield* enqueued({ approvals: [{ approver: "ada", note: "looks good to me" }] })
        expect(yield* queue.read((db) => approvalsOf(db, { entryId: id }))).toEqual([])
        expect((yield* leased()).cast.approvals).toEqual([{ approver: "ada", note: "looks good to me" }])
      }),
    )

    it.effect("of a request are kept as intent beside its entries", () =>
      Effect.gen(function* () {
        const queue = yield* QueueService
        expect(yield* queue.approve({ requestId: "greeting" }, aDecision(), true)).toBeNull()
        expect(yield* queue.read((db) => approvalsOf(db, { requestId: "greeting" }))).toHaveLength(1)
      }),
    )

    it.effect("of an entry that is not there store nothing and fail no one", () =>
      Effect.gen(function* () {
        const queue = yield* QueueService
        const head = yield* queue.head()
        const result = yield* Effect.either(queue.approve({ entryId: 42 }, aDecision(), true))
        expect(Either.isRight(result) && result.right).toBeNull()
        expect(yield* queue.head()).toEqual(head)
      }),
    )

    it.effect("stay when the base moves: what they bind decides later", () =>
      Effect.gen(function* () {
        const queue = yield* QueueService
        const id = yield* enqueued()
        yield* settled(yield* leased(), "awaiting_approval")
        yield* queue.approve({ entryId: id }, aDecision(), false)
        yield* queue.baseMoved([id, 999], "worker-1", { to: "abc" })
        expect(yield* entry(id)).toMatchObject({ state: "pending", reason_code: "base_moved" })
        expect((yield* queue.read((db) => approvalsOf(db, { entryId: id })))[0]).toMatchObject({
          voided_at: null,
        })
      }),
    )
  })

  describe(`settling over ${name}`, () => {
    it.effect("a failure in the middle of a batch stores none of it", () =>
      Effect.gen(function* () {
        const queue = yield* QueueService
        const first = yield* enqueued({ taskId: "a" })
        const second = yield* enqueued({ taskId: "b" })
        const [a, b] = yield* queue.lease("worker-1", LEASE_MS, 2)
        const head = yield* queue.head()
        yield* queue.read((db) =>
          db.run(`CREATE TEMP TRIGGER fault BEFORE INSERT ON audit WHEN NEW.entry_id = ${second}
            BEGIN SELECT RAISE(ABORT, 'injected'); END`),
        )
        const result = yield* Effect.either(
          queue.settle([
            { to: "committing", lease: a!, verification: aVerification() },
            { to: "committing", lease: b!, verification: aVerification() },
          ]),
        )
        expect(Either.isLeft(result)).toBe(true)
        expect(yield* queue.head()).toEqual(head)
        expect(yield* entry(first)).toEqual(a!.entry)
        expect(yield* queue.read((db) => verificationOf(db, first))).toBeNull()
        yield* queue.read((db) => db.run("DROP TRIGGER fault"))
        expect(yield* settled(a!, "committing")).toEqual({ lost: [] })
      }),
    )

    it.effect("the receipt carries the number of the audit row that proves it", () =>
      Effect.gen(function* () {
        const queue = yield* QueueService
        const id = yield* landed()
        const applied = (yield* history(id)).find((row) => row.event === "applied")!
        const { body } = (yield* queue.read((db) =>
          db.query<{ body: string }, [number]>("SELECT body FROM receipt WHERE entry_id = ?").get(id),
        ))!
        expect(JSON.parse(body).audit_seq).toBe(applied.seq)
      }),
    )

    it.effect("another answer while a conflict waits does not touch the conflict", () =>
      Effect.gen(function* () {
        const id = yield* enqueued()
        yield* settled(yield* leased(), "conflict")
        yield* outcomeOf({ content: "another answer\n" })
        expect((yield* entry(id)).state).toBe("conflict")
      }),
    )
  })
}
