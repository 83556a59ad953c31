import { describe, expect } from "bun:test"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as TestClock from "effect/TestClock"
import { castChecksum, castIdOf } from "../../src/domain/cast.ts"
import { QueueService } from "../../src/queue/QueueService.ts"
import { approvalsOf, dependenciesOf, verificationOf } from "../../src/queue/read.ts"
import { aCast } from "../support/builders.ts"
import { START, withLayer } from "../support/effect.ts"
import {
  aDecision,
  anItem,
  aWithdrawal,
  DAY,
  ENQUEUE,
  enqueued,
  entry,
  events,
  HOUR,
  history,
  itemOf,
  landed,
  leased,
  outcomeOf,
  QUEUE_LAYERS,
  settled,
} from "../support/queue.ts"

const ANOTHER = { content: "another answer\n" } as const

for (const [name, layer] of QUEUE_LAYERS) {
  const it = withLayer(layer)

  describe(`deduplication over ${name}`, () => {
    it.effect("a live entry with the same payload is a duplicate in every live state, and is counted", () =>
      Effect.gen(function* () {
        const queue = yield* QueueService
        const id = yield* enqueued()
        const duplicate = { outcome: "duplicate", entryId: id }
        expect(yield* outcomeOf()).toMatchObject({ ...duplicate, state: "pending" })
        const lease = yield* leased()
        expect(yield* outcomeOf()).toMatchObject({ ...duplicate, state: "in_progress" })
        yield* settled(lease, "awaiting_approval")
        expect(yield* outcomeOf()).toMatchObject({ ...duplicate, state: "awaiting_approval" })
        yield* queue.approve({ entryId: id }, aDecision(), true)
        expect(yield* outcomeOf()).toMatchObject({ ...duplicate, state: "verified" })
        yield* queue.claimProven(id, "worker-1", HOUR)
        expect(yield* outcomeOf()).toMatchObject({ ...duplicate, state: "committing" })
        const hits = yield* queue.read((db) =>
          db.query<{ value: string }, []>("SELECT value FROM meta WHERE key = 'dedup_hits'").get(),
        )
        expect(hits?.value).toBe("5")
      }),
    )

    it.effect("agent, model and time do not make another payload", () =>
      Effect.gen(function* () {
        const id = yield* enqueued({ agent: "claude" })
        yield* TestClock.adjust(HOUR)
        expect(yield* outcomeOf({ agent: "codex", intent: "say it better", at: START + HOUR })).toMatchObject(
          { outcome: "duplicate", entryId: id },
        )
      }),
    )

    it.effect("the same payload twice in one call is queued once", () =>
      Effect.gen(function* () {
        const queue = yield* QueueService
        const outcomes = yield* queue.enqueue([anItem(), anItem(), anItem({ taskId: "other" })], ENQUEUE)
        expect(outcomes.map((outcome) => outcome.outcome)).toEqual(["queued", "duplicate", "queued"])
      }),
    )

    it.effect("re-enqueue after applied: a duplicate within the window, a new generation after it", () =>
      Effect.gen(function* () {
        const id = yield* landed()
        yield* TestClock.adjust(DAY - 1)
        expect(yield* outcomeOf()).toMatchObject({ outcome: "duplicate", entryId: id, state: "applied" })
        yield* TestClock.adjust(1)
        const again = yield* enqueued()
        expect(yield* entry(again)).toMatchObject({ state: "pending", generation: 2 })
      }),
    )

    it.effect("failed, conflict and cancelled free the key for the next generation", () =>
      Effect.gen(function* () {
        const queue = yield* QueueService
        const first = yield* enqueued()
        yield* settled(yield* leased(), "failed")
        const second = yield* enqueued()
        yield* settled(yield* leased(), "conflict")
        const third = yield* enqueued()
        yield* queue.withdraw(third, aWithdrawal())
        const fourth = yield* enqueued()
        expect(
          (yield* Effect.all([first, second, third, fourth].map(entry))).map((row) => row.generation),
        ).toEqual([1, 2, 3, 4])
      }),
    )

    it.effect("a cancelled second generation does not turn the first into another payload's landing", () =>
      Effect.gen(function* () {
        const queue = yield* QueueService
        yield* landed()
        yield* TestClock.adjust(2 * DAY)
        yield* queue.withdraw(yield* enqueued(), aWithdrawal())
        expect(yield* entry(yield* enqueued())).toMatchObject({ generation: 3 })
      }),
    )

    it.effect("a clock set back a year keeps an applied payload a duplicate", () =>
      Effect.gen(function* () {
        const id = yield* landed()
        yield* TestClock.setTime(START - 365 * DAY)
        expect(yield* outcomeOf({ at: START - 365 * DAY })).toMatchObject({
          outcome: "duplicate",
          entryId: id,
        })
      }),
    )
  })

  describe(`superseding over ${name}`, () => {
    it.effect("another payload replaces an unlanded answer: approvals void, proof dropped, fence lost", () =>
      Effect.gen(function* () {
        const queue = yield* QueueService
        const old = yield* enqueued()
        const lease = yield* leased()
        yield* settled(lease, "awaiting_approval")
        yield* queue.approve({ entryId: old }, aDecision(), false)
        const outcome = yield* outcomeOf(ANOTHER)
        if (outcome.outcome !== "queued") throw new Error(outcome.outcome)
        expect(outcome.superseded).toEqual([old])
        expect(yield* entry(old)).toMatchObject({ state: "cancelled", reason_code: "superseded" })
        expect(yield* entry(outcome.entryId)).toMatchObject({ state: "pending", supersedes: old })
        const [approval] = yield* queue.read((db) => approvalsOf(db, { entryId: old }))
        expect(approval).toMatchObject({ voided_at: START })
        expect(approval!.void_reason).toStartWith("superseded by cast-")
        expect(yield* queue.read((db) => verificationOf(db, old))).toBeNull()
      }),
    )

    it.effect("the worker that held the replaced answer has lost it", () =>
      Effect.gen(function* () {
        const old = yield* enqueued()
        const lease = yield* leased()
        yield* outcomeOf(ANOTHER)
        expect(yield* settled(lease, "committing")).toEqual({ lost: [old] })
        expect((yield* entry(old)).state).toBe("cancelled")
      }),
    )

    it.effect("the same task again and again with new payloads is refused after landing", () =>
      Effect.gen(function* () {
        const queue = yield* QueueService
        const id = yield* landed()
        yield* TestClock.adjust(30 * DAY)
        const outcome = yield* outcomeOf({ ...ANOTHER, at: START + 30 * DAY })
        if (outcome.outcome !== "rejected") throw new Error(outcome.outcome)
        expect(outcome.violation).toMatchObject({ code: "task_already_applied", path: "task_id" })
        expect(outcome.violation.message).toContain(`entry ${id}`)
        expect(outcome.violation.hint).toContain("--supersede")
        expect((yield* queue.counts()).pending).toBe(0)
      }),
    )

    it.effect("--supersede lands another answer to a landed task", () =>
      Effect.gen(function* () {
        yield* landed()
        const second = yield* landed({ ...ANOTHER, supersede: true })
        expect((yield* entry(second)).state).toBe("applied")
      }),
    )

    it.effect("an answer that is landing right now is not replaced", () =>
      Effect.gen(function* () {
        const id = yield* enqueued()
        yield* settled(yield* leased(), "committing")
        expect(yield* outcomeOf({ ...ANOTHER, supersede: true })).toMatchObject({
          outcome: "rejected",
          violation: { code: "landing_in_progress" },
        })
        expect((yield* entry(id)).state).toBe("committing")
      }),
    )

    it.effect("the answer to a conflict names the entry it answers", () =>
      Effect.gen(function* () {
        const old = yield* enqueued()
        yield* settled(yield* leased(), "conflict")
        expect(yield* entry(yield* enqueued(ANOTHER))).toMatchObject({ supersedes: old, generation: 1 })
        expect((yield* entry(old)).state).toBe("conflict")
      }),
    )
  })

  describe(`dependents over ${name}`, () => {
    it.effect("wait for the new answer when theirs is replaced, and are freed by it alone", () =>
      Effect.gen(function* () {
        const queue = yield* QueueService
        const old = yield* enqueued({ taskId: "base" })
        const dependent = yield* enqueued({ taskId: "after", dependsOn: ["base"] })
        const replacement = yield* enqueued({ taskId: "base", ...ANOTHER })
        expect((yield* queue.read((db) => dependenciesOf(db, dependent))).map((row) => row.id)).toEqual([
          replacement,
        ])
        expect((yield* entry(dependent)).blockers).toBe(1)
        expect((yield* entry(old)).state).toBe("cancelled")
        const lease = yield* leased()
        expect(lease.entry.id).toBe(replacement)
        yield* settled(lease, "committing")
        expect(yield* queue.lease("worker-2", HOUR, 1)).toEqual([])
        yield* settled(lease, "applied")
        expect((yield* leased()).entry.id).toBe(dependent)
      }),
    )

    for (const end of ["failed", "conflict"] as const)
      it.effect(`are not stuck behind an answer that ended in ${end}`, () =>
        Effect.gen(function* () {
          yield* enqueued({ taskId: "base" })
          const dependent = yield* enqueued({ taskId: "after", dependsOn: ["base"] })
          yield* settled(yield* leased(), end)
          expect((yield* entry(dependent)).blockers).toBe(1)
          const second = yield* landed({ taskId: "base", ...ANOTHER })
          expect((yield* entry(second)).state).toBe("applied")
          expect((yield* entry(dependent)).blockers).toBe(0)
          expect((yield* leased()).entry.id).toBe(dependent)
        }),
      )

    it.effect("are not stuck behind a withdrawn answer that comes again with the same payload", () =>
      Effect.gen(function* () {
        const queue = yield* QueueService
        const base = yield* enqueued({ taskId: "base" })
        const dependent = yield* enqueued({ taskId: "after", dependsOn: ["base"] })
        yield* queue.withdraw(base, aWithdrawal())
        yield* landed({ taskId: "base" })
        expect((yield* entry(dependent)).blockers).toBe(0)
      }),
    )

    it.effect("a dependency named twice blocks once", () =>
      Effect.gen(function* () {
        yield* enqueued({ taskId: "base" })
        const dependent = yield* enqueued({ taskId: "after", dependsOn: ["base", "base"] })
        expect((yield* entry(dependent)).blockers).toBe(1)
        const lease = yield* leased()
        yield* settled(lease, "committing")
        yield* settled(lease, "applied")
        expect((yield* entry(dependent)).blockers).toBe(0)
      }),
    )

    it.effect("a landed dependency blocks nobody, also when a later answer to it was given up", () =>
      Effect.gen(function* () {
        const queue = yield* QueueService
        yield* landed({ taskId: "base" })
        yield* queue.withdraw(yield* enqueued({ taskId: "base", ...ANOTHER, supersede: true }), aWithdrawal())
        expect((yield* entry(yield* enqueued({ taskId: "after", dependsOn: ["base"] }))).blockers).toBe(0)
      }),
    )

    it.effect("one that depends on two waits for both", () =>
      Effect.gen(function* () {
        yield* enqueued({ taskId: "a" })
        yield* enqueued({ taskId: "b", path: "src/b.txt" })
        const dependent = yield* enqueued({ taskId: "after", path: "src/c.txt", dependsOn: ["a", "b"] })
        for (const blockers of [1, 0]) {
          const lease = yield* leased()
          yield* settled(lease, "committing")
          yield* settled(lease, "applied")
          expect((yield* entry(dependent)).blockers).toBe(blockers)
        }
      }),
    )

    it.effect("an unknown dependency is refused", () =>
      Effect.gen(function* () {
        const outcome = yield* outcomeOf({ dependsOn: ["nobody-knows"] })
        expect(outcome).toMatchObject({ outcome: "rejected", violation: { code: "unknown_dependency" } })
      }),
    )

    it.effect("a dependency earlier in the same call is known", () =>
      Effect.gen(function* () {
        const queue = yield* QueueService
        const outcomes = yield* queue.enqueue(
          [anItem({ taskId: "a" }), anItem({ taskId: "b", dependsOn: ["a"] })],
          ENQUEUE,
        )
        expect(outcomes.map((outcome) => outcome.outcome)).toEqual(["queued", "queued"])
      }),
    )

    it.effect("a task cannot wait for itself, directly or through others", () =>
      Effect.gen(function* () {
        const cycle = { outcome: "rejected", violation: { code: "dependency_cycle" } }
        yield* enqueued({ taskId: "a" })
        expect(yield* outcomeOf({ taskId: "a", ...ANOTHER, dependsOn: ["a"] })).toMatchObject(cycle)
        yield* enqueued({ taskId: "b", dependsOn: ["a"] })
        yield* enqueued({ taskId: "c", dependsOn: ["b"] })
        expect(yield* outcomeOf({ taskId: "a", ...ANOTHER, dependsOn: ["c"] })).toMatchObject(cycle)
        expect(yield* outcomeOf({ taskId: "new", dependsOn: ["new"] })).toMatchObject(cycle)
        expect((yield* leased()).entry.task_id).toBe("a")
      }),
    )
  })

  describe(`refusals over ${name}`, () => {
    const refused = (cast: ReturnType<typeof aCast>) =>
      Effect.gen(function* () {
        const queue = yield* QueueService
        const [outcome] = yield* queue.enqueue([itemOf(cast)], ENQUEUE)
        if (outcome?.outcome !== "rejected") throw new Error(`not rejected: ${outcome?.outcome}`)
        expect(yield* queue.counts()).toMatchObject({ pending: 0 })
        return outcome.violation.code
      })

    it.effect("a cast that was changed after it was made", () =>
      Effect.gen(function* () {
        const cast = aCast()
        expect(yield* refused({ ...cast, agent_id: "someone-else" })).toBe("checksum_mismatch")
        expect(yield* refused({ ...cast, ttl_seconds: cast.ttl_seconds + 1 })).toBe("checksum_mismatch")
        expect(yield* refused({ ...cast, cast_id: "cast-0000000000000000" as typeof cast.cast_id })).toBe(
          "checksum_mismatch",
        )
        expect(yield* refused({ ...cast, change_request: { ...cast.change_request, checks: ["x"] } })).toBe(
          "checksum_mismatch",
        )
      }),
    )

    const resealed = (cast: ReturnType<typeof aCast>) => {
      const checksum = castChecksum(cast)
      return { ...cast, checksum, cast_id: castIdOf(checksum) }
    }

    it.effect("a cast of another version, even with a right checksum", () =>
      Effect.gen(function* () {
        expect(yield* refused(resealed({ ...aCast(), version: 2 as 1 }))).toBe("cast_version_unsupported")
      }),
    )

    it.effect("a cast whose time to live is over, to the millisecond", () =>
      Effect.gen(function* () {
        yield* TestClock.adjust(60_000)
        expect(yield* refused(aCast({ ttlSeconds: 60 }))).toBe("cast_expired")
        yield* enqueued({ ttlSeconds: 61 })
      }),
    )

    it.effect("a time to live beyond all dates does not take the other items with it", () =>
      Effect.gen(function* () {
        const queue = yield* QueueService
        const outcomes = yield* queue.enqueue(
          [itemOf(resealed({ ...aCast(), ttl_seconds: 1e300 })), anItem({ taskId: "other" })],
          ENQUEUE,
        )
        expect(outcomes).toMatchObject([
          { outcome: "rejected", violation: { code: "ttl_out_of_range" } },
          { outcome: "queued" },
        ])
      }),
    )

    it.effect("a full queue takes none of a call, and says how full it is", () =>
      Effect.gen(function* () {
        const queue = yield* QueueService
        const call = (n: number, taskId: string) =>
          Effect.either(
            queue.enqueue(
              Array.from({ length: n }, (_, index) => anItem({ taskId: `${taskId}-${index}` })),
              { ...ENQUEUE, maxDepth: 3 },
            ),
          )
        expect(Either.isRight(yield* call(2, "first"))).toBe(true)
        const full = yield* call(2, "second")
        if (Either.isRight(full)) throw new Error("it was taken")
        expect(full.left).toMatchObject({ _tag: "QueueFull", depth: 2, limit: 3 })
        expect((yield* queue.counts()).pending).toBe(2)
        expect(Either.isRight(yield* call(1, "third"))).toBe(true)
        yield* settled(yield* leased(), "failed")
        expect(Either.isRight(yield* call(1, "fourth"))).toBe(true)
      }),
    )
  })

  describe(`what enqueue stores over ${name}`, () => {
    it.effect("nothing, when the transaction fails in the middle", () =>
      Effect.gen(function* () {
        const queue = yield* QueueService
        yield* enqueued({ taskId: "before" })
        const head = yield* queue.head()
        // Fails the second insert of the call, after the first one's rows and audit row are written.
        yield* queue.read((db) =>
          db.run(`CREATE TEMP TRIGGER fault BEFORE INSERT ON entry WHEN NEW.task_id = 'second'
            BEGIN SELECT RAISE(ABORT, 'injected'); END`),
        )
        const result = yield* Effect.either(
          queue.enqueue([anItem({ taskId: "first" }), anItem({ taskId: "second" })], ENQUEUE),
        )
        expect(Either.isLeft(result) && String(result.left.message)).toContain("injected")
        expect(yield* queue.head()).toEqual(head)
        const stored = yield* queue.read((db) => db.query("SELECT task_id FROM entry").all())
        expect(stored).toEqual([{ task_id: "before" }])
        expect(yield* queue.read((db) => db.query("SELECT count(*) AS n FROM entry_payload").get())).toEqual({
          n: 1,
        })
        yield* queue.read((db) => db.run("DROP TRIGGER fault"))
        yield* enqueued({ taskId: "first" })
      }),
    )

    it.effect("an `enqueued` row that names cast, checksum and payload", () =>
      Effect.gen(function* () {
        const id = yield* enqueued({ priority: 7 })
        const row = yield* entry(id)
        const [audit] = yield* history(id)
        expect(audit).toMatchObject({ event: "enqueued", actor: "operator", at: START })
        expect(JSON.parse(audit!.data)).toEqual({
          cast_id: row.cast_id,
          checksum: row.checksum,
          task_id: row.task_id,
          agent: row.agent,
          payload_hash: row.payload_hash,
          body_sha256: expect.stringMatching(/^[0-9a-f]{64}$/),
          priority: 7,
        })
        expect(yield* events(id)).toEqual(["enqueued"])
      }),
    )
  })
}
