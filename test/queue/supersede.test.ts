import { describe, expect } from "bun:test"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/TestClock"
import { QueueService } from "../../src/queue/QueueService.ts"
import { approvalsOf, dependenciesOf, verificationOf } from "../../src/queue/read.ts"
import { START, withLayer } from "../support/effect.ts"
import {
  aDecision,
  anItem,
  aWithdrawal,
  DAY,
  ENQUEUE,
  enqueued,
  entry,
  HOUR,
  landed,
  leased,
  outcomeOf,
  QUEUE_LAYERS,
  settled,
} from "../support/queue.ts"

const ANOTHER = { content: "another answer\n" } as const

for (const [name, layer] of QUEUE_LAYERS) {
  const it = withLayer(layer)

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
}
