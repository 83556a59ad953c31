import { describe, expect, test } from "bun:test"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/TestClock"
import { AuditService } from "../../src/audit/AuditService.ts"
import { decodeCounts, type EntryState, NO_COUNTS, TRANSITIONS, transition } from "../../src/domain/entry.ts"
import type { DatabaseError } from "../../src/platform/Database.ts"
import type { Lease } from "../../src/queue/lease.ts"
import { QueueService } from "../../src/queue/QueueService.ts"
import { withLayer } from "../support/effect.ts"
import {
  aDecision,
  aWithdrawal,
  DAY,
  enqueued,
  entry,
  HOUR,
  history,
  LEASE_MS,
  leased,
  outcomeOf,
  QUEUE_LAYERS,
  settled,
} from "../support/queue.ts"

type Step = (
  id: number,
  lease: Lease,
) => Effect.Effect<unknown, DatabaseError | { readonly _tag: string }, QueueService>

const queue = <A, E>(use: (service: typeof QueueService.Service) => Effect.Effect<A, E>) =>
  Effect.flatMap(QueueService, use)

/** From a leased entry to each state. */
const reach: Partial<Record<EntryState, Step>> = {
  in_progress: () => Effect.void,
  pending: (_, lease) => settled(lease, "pending"),
  scheduled: (_, lease) =>
    Effect.flatMap(TestClock.currentTimeMillis, (now) => settled(lease, "scheduled", { runAt: now + HOUR })),
  verified: (_, lease) => settled(lease, "verified"),
  awaiting_approval: (_, lease) => settled(lease, "awaiting_approval"),
  committing: (_, lease) => settled(lease, "committing"),
  failed: (_, lease) => settled(lease, "failed"),
}

const later = (millis: number) =>
  Effect.zipRight(
    TestClock.adjust(millis),
    queue((service) => service.maintain()),
  )

/** What causes each event. */
const cause: Record<string, Step> = {
  promoted: () => later(HOUR),
  leased: () => leased("worker-2"),
  verified: (_, lease) => settled(lease, "verified"),
  retry_scheduled: (_, lease) => settled(lease, "scheduled"),
  lease_reclaimed: () => later(LEASE_MS + 1),
  given_back: (_, lease) => settled(lease, "pending"),
  conflicted: (_, lease) => settled(lease, "conflict"),
  failed: (_, lease) => settled(lease, "failed"),
  committing: (id) => queue((service) => service.claimProven(id, "worker-2", LEASE_MS)),
  base_moved: (id) => queue((service) => service.baseMoved([id], "worker-2", { to: "abc" })),
  approved: (id) => queue((service) => service.approve({ entryId: id }, aDecision(), true)),
  applied: (_, lease) => settled(lease, "applied"),
  undone: (_, lease) => settled(lease, "undone"),
  foreign_edit: (_, lease) => settled(lease, "conflict"),
  requeued: (id) => queue((service) => service.requeue(id, "the network is back", "operator")),
  // Not at once: a retry that becomes due first would be promoted on the way.
  expired: () => later(7 * DAY),
  cancelled: (id) => queue((service) => service.withdraw(id, aWithdrawal())),
  rejected: (id) =>
    queue((service) =>
      service.withdraw(
        id,
        aWithdrawal({
          event: "rejected",
          actor: "ada",
          decision: aDecision({ decision: "reject", note: "no" }),
        }),
      ),
    ),
  superseded: () => outcomeOf({ content: "another answer\n" }),
}

const countsInTable = queue((service) =>
  service.read((db) => ({
    ...NO_COUNTS,
    ...Object.fromEntries(
      db
        .query<{ state: string; n: number }, []>("SELECT state, count(*) AS n FROM entry GROUP BY state")
        .all()
        .map(({ state, n }) => [state, n]),
    ),
  })),
)

test("every event of the table has a cause here", () => {
  const events = new Set([...TRANSITIONS.map((row) => row.event), "approval_missing"])
  events.delete("approval_missing")
  expect(new Set(Object.keys(cause))).toEqual(events)
  expect([...new Set(TRANSITIONS.map((row) => row.from))].filter((from) => !reach[from])).toEqual([])
})

for (const [name, layer] of QUEUE_LAYERS) {
  const it = withLayer(layer)
  describe(`the state machine over ${name}`, () => {
    for (const row of TRANSITIONS) {
      it.effect(`${row.from} --${row.event}--> ${row.to}`, () =>
        Effect.gen(function* () {
          // A neighbour in another state, so that counts are told apart from positions.
          const neighbour = yield* enqueued({ taskId: "neighbour", priority: 0, ttlSeconds: 30 * 86_400 })
          const id = yield* enqueued()
          const lease = yield* leased()
          expect(lease.entry.id).toBe(id)
          if (row.event === "approval_missing") yield* settled(lease, "awaiting_approval")
          else {
            yield* reach[row.from]!(id, lease)
            expect((yield* entry(id)).state).toBe(row.from)
            if (row.from === "scheduled" && row.event === "expired")
              yield* queue((service) =>
                service.read((db) => db.run("UPDATE entry SET run_at = ? WHERE id = ?", [2 ** 52, id])),
              )
            yield* cause[row.event]!(id, lease)
          }

          const after = yield* entry(id)
          expect(after.state).toBe(row.to)
          const rows = yield* history(id)
          expect(rows.map((audit) => audit.seq)).toEqual(rows.map((audit) => audit.seq).sort((a, b) => a - b))
          expect(rows.map((audit) => audit.entry_previous)).toEqual([
            null,
            ...rows.slice(0, -1).map((audit) => audit.seq),
          ])
          expect(rows.at(-1)).toMatchObject({ seq: after.audit_seq, event: row.event, entry_id: id })
          // Walking the table along the recorded events ends in the stored state.
          expect(
            rows
              .slice(1)
              .reduce<EntryState | null>((at, audit) => at && transition(at, audit.event), "pending"),
          ).toBe(row.to)

          expect((yield* entry(neighbour)).state).toBe("pending")
          const counts = yield* queue((service) => service.counts())
          expect(counts).toEqual(yield* countsInTable)
          expect(decodeCounts(rows.at(-1)!.counts)[row.to]).toBeGreaterThan(0)
          expect((yield* Effect.flatMap(AuditService, (audit) => audit.verify())).fault).toBeNull()
        }),
      )
    }
  })
}
