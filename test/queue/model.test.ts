import { expect, test } from "bun:test"
import * as Effect from "effect/Effect"
import * as FastCheck from "effect/FastCheck"
import * as TestClock from "effect/TestClock"
import { AuditService } from "../../src/audit/AuditService.ts"
import type { EntryState } from "../../src/domain/entry.ts"
import type { Lease } from "../../src/queue/lease.ts"
import { QueueService } from "../../src/queue/QueueService.ts"
import type { EntryRow } from "../../src/queue/queue.sql.ts"
import { aCast } from "../support/builders.ts"
import { runTest } from "../support/effect.ts"
import {
  aDecision,
  aWithdrawal,
  DAY,
  ENQUEUE,
  HOUR,
  itemOf,
  LEASE_MS,
  queueInMemory,
  settlement,
} from "../support/queue.ts"
import { type Claim, Model, type Offer } from "./model.ts"

const WORKERS = ["worker-1", "worker-2", "worker-3"] as const
const TASKS = ["a", "b", "c", "d", "e"] as const
const OUTCOMES = [
  "committing",
  "committing",
  "applied",
  "applied",
  "verified",
  "awaiting_approval",
  "scheduled",
  "pending",
  "conflict",
  "failed",
  "undone",
] as const

const named = <Name extends string>(name: Name) => FastCheck.constant(name)
const worker = FastCheck.constantFrom(...WORKERS)
/** Which of the entries or leases there are, from the newest backwards. */
const recent = FastCheck.nat(7)

const offer: FastCheck.Arbitrary<Offer> = FastCheck.record({
  task: FastCheck.constantFrom(...TASKS),
  content: FastCheck.nat(1),
  agent: FastCheck.constantFrom("claude", "codex"),
  priority: FastCheck.constantFrom(0, 5, 5, 9),
  dependsOn: FastCheck.array(FastCheck.constantFrom(...TASKS), { maxLength: 2 }),
  supersede: FastCheck.boolean(),
  maxAttempts: FastCheck.integer({ min: 1, max: 3 }),
  ttl: FastCheck.constantFrom(HOUR, 7 * DAY),
})

const step = FastCheck.oneof(
  { weight: 12, arbitrary: FastCheck.record({ op: named("enqueue"), offer }) },
  {
    weight: 6,
    arbitrary: FastCheck.record({
      op: named("lease"),
      worker,
      limit: FastCheck.integer({ min: 1, max: 4 }),
    }),
  },
  // A lease is also used long after its worker was given up for dead: that is the crash, and the zombie.
  {
    weight: 10,
    arbitrary: FastCheck.record({
      op: named("settle"),
      which: recent,
      to: FastCheck.constantFrom(...OUTCOMES),
      charged: FastCheck.boolean(),
      delay: FastCheck.constantFrom(0, 1_000, HOUR),
    }),
  },
  { weight: 3, arbitrary: FastCheck.record({ op: named("land"), worker }) },
  { weight: 2, arbitrary: FastCheck.record({ op: named("renew"), which: recent }) },
  {
    weight: 3,
    arbitrary: FastCheck.record({
      op: named("advance"),
      by: FastCheck.constantFrom(1, 1_000, LEASE_MS, LEASE_MS + 1, HOUR, 2 * DAY, -HOUR),
    }),
  },
  { weight: 3, arbitrary: FastCheck.record({ op: named("maintain") }) },
  {
    weight: 2,
    arbitrary: FastCheck.record({
      op: named("approve"),
      which: recent,
      satisfied: FastCheck.boolean(),
    }),
  },
  { weight: 1, arbitrary: FastCheck.record({ op: named("withdraw"), which: recent }) },
  { weight: 2, arbitrary: FastCheck.record({ op: named("requeue"), which: recent }) },
  { weight: 1, arbitrary: FastCheck.record({ op: named("base_moved"), which: recent }) },
  { weight: 2, arbitrary: FastCheck.record({ op: named("claim"), which: recent, worker }) },
)
type Step = typeof step extends FastCheck.Arbitrary<infer S> ? S : never

const claimOf = (lease: Lease): Claim => ({
  id: lease.entry.id,
  worker: lease.worker,
  token: lease.token,
})

/** States in which an operation does something. Every fifth time it is tried on any entry. */
const RELEVANT: Readonly<Record<string, readonly EntryState[]>> = {
  approve: ["awaiting_approval"],
  requeue: ["failed"],
  base_moved: ["verified", "awaiting_approval"],
  claim: ["verified"],
}
const chosen = (model: Model, op: string, which: number): number | undefined => {
  const relevant = model.entries.filter((entry) => RELEVANT[op]?.includes(entry.state))
  const from = which % 5 === 4 || relevant.length === 0 ? model.entries : relevant
  return from.at(-1 - (which % from.length))?.id
}

const run = (steps: readonly Step[]) =>
  Effect.gen(function* () {
    const queue = yield* QueueService
    const model = new Model(ENQUEUE.dedupWindowMs)
    const leases: Lease[] = []
    for (const step of steps) {
      const now = yield* TestClock.currentTimeMillis
      const lease = "which" in step ? leases.at(-1 - step.which) : undefined
      const id = "which" in step ? chosen(model, step.op, step.which) : undefined
      switch (step.op) {
        case "enqueue": {
          const { offer } = step
          const cast = aCast({
            taskId: offer.task,
            path: `src/${offer.task}${offer.content}.txt`,
            agent: offer.agent,
            dependsOn: offer.dependsOn,
            at: now,
            ttlSeconds: offer.ttl / 1_000,
          })
          const [outcome] = yield* queue.enqueue([itemOf(cast, offer)], ENQUEUE)
          expect(
            outcome!.outcome === "rejected"
              ? outcome!.violation.code
              : `${outcome!.outcome} ${outcome!.entryId}`,
          ).toBe(model.enqueue(offer, now))
          break
        }
        case "lease": {
          const got = yield* queue.lease(step.worker, LEASE_MS, step.limit)
          expect(got.map(claimOf)).toEqual(model.lease(step.worker, step.limit, LEASE_MS, now))
          leases.push(...got)
          break
        }
        case "settle": {
          if (!lease) break
          const runAt = now + step.delay
          const { lost } = yield* queue.settle([settlement(lease, step.to, { charged: step.charged, runAt })])
          expect(lost.length === 0).toBe(model.settle(claimOf(lease), step.to, step.charged, runAt, now))
          break
        }
        case "land": {
          const got = yield* queue.lease(step.worker, LEASE_MS, 3)
          expect(got.map(claimOf)).toEqual(model.lease(step.worker, 3, LEASE_MS, now))
          for (const to of ["committing", "applied"] as const) {
            const { lost } = yield* queue.settle(got.map((lease) => settlement(lease, to)))
            expect(lost).toEqual(
              got.filter((lease) => !model.settle(claimOf(lease), to, true, now, now)).map((l) => l.entry.id),
            )
          }
          leases.push(...got)
          break
        }
        case "renew":
          if (lease)
            expect((yield* queue.renew([lease], LEASE_MS)).length === 0).toBe(
              model.renew(claimOf(lease), LEASE_MS, now),
            )
          break
        case "advance":
          yield* TestClock.setTime(now + step.by)
          break
        case "maintain":
          while (yield* queue.maintain());
          model.maintain(now)
          break
        case "approve":
          if (id === undefined) break
          yield* queue.approve({ entryId: id }, aDecision(), step.satisfied)
          model.approve(id, step.satisfied, now)
          break
        case "withdraw":
          if (id !== undefined)
            expect((yield* queue.withdraw(id, aWithdrawal())) !== null).toBe(model.withdraw(id, now))
          break
        case "requeue":
          if (id !== undefined)
            expect((yield* queue.requeue(id, "again", "ada")) !== null).toBe(model.requeue(id, now))
          break
        case "base_moved":
          if (id === undefined) break
          yield* queue.baseMoved([id], step.op, {})
          model.baseMoved(id, now)
          break
        case "claim": {
          if (id === undefined) break
          const claimed = yield* queue.claimProven(id, step.worker, LEASE_MS)
          expect(claimed && claimOf(claimed)).toEqual(model.claimProven(id, step.worker, LEASE_MS, now))
          if (claimed) leases.push(claimed)
        }
      }
      const rows = yield* queue.read((db) => db.query<EntryRow, []>("SELECT * FROM entry ORDER BY id").all())
      expect(
        rows.map((row) => ({
          id: row.id,
          state: row.state,
          attempts: row.attempts,
          owner: row.lease_owner,
          token: row.lease_token,
          until: row.leased_until,
          runAt: row.run_at,
          rank: row.rank,
          expires: row.expires_at,
          blockers: row.blockers,
        })),
      ).toEqual(
        model.entries.map((entry) => ({
          id: entry.id,
          state: entry.state,
          attempts: entry.attempts,
          owner: entry.owner,
          token: entry.token,
          until: entry.until,
          runAt: entry.runAt,
          rank: entry.rank,
          expires: entry.expires,
          blockers: model.blockers(entry),
        })),
      )
    }
    expect(yield* queue.counts()).toEqual(model.counts() as never)
    const report = yield* Effect.flatMap(AuditService, (audit) => audit.verify())
    expect(report).toMatchObject({ fault: null, casts: model.entries.length })
  })

test(
  "the queue does what a list in memory does, whatever the order of calls",
  // On a failure fast-check prints the seed and the shortest sequence: pass `{ seed, path }` here to replay it.
  () =>
    FastCheck.assert(
      FastCheck.asyncProperty(
        FastCheck.array(step, { minLength: 40, maxLength: 120, size: "max" }),
        (steps) => runTest(queueInMemory, run(steps)),
      ),
      { numRuns: 60 },
    ),
  60_000,
)
