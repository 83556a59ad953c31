import { describe, expect } from "bun:test"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as TestClock from "effect/TestClock"
import { castChecksum, castIdOf } from "../../src/domain/cast.ts"
import { QueueService } from "../../src/queue/QueueService.ts"
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
          (yield* Effect.forEach([first, second, third, fourth], entry)).map((row) => row.generation),
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
