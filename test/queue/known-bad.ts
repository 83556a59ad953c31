import * as Effect from "effect/Effect"
import { enqueueAll, prepareItem } from "../../src/queue/enqueue.ts"
import { leaseBatch } from "../../src/queue/lease.ts"
import type { QueueServiceShape } from "../../src/queue/QueueService.ts"
import { type EntryRow, READY } from "../../src/queue/queue.sql.ts"
import { type Settlement, settleAll } from "../../src/queue/settle.ts"
import { entryRow } from "../../src/queue/transition.ts"

type Variant = (queue: QueueServiceShape) => QueueServiceShape

const TAKE_AWAY = `UPDATE entry SET state = 'pending', lease_owner = NULL, leased_until = NULL
  WHERE id = ? AND state = 'in_progress'`

/** Queues that are known to be wrong: a proof that finds nothing in them proves nothing. */
const VARIANTS: Readonly<Record<string, Variant>> = {
  none: (queue) => queue,

  /** Whoever says what became of an entry is believed, whoever holds the lease now. */
  "unfenced outcome": (queue) => ({
    ...queue,
    settle: (settlements) =>
      queue.transact((db, at) =>
        settleAll(
          db,
          settlements.map((settlement): Settlement => {
            const row = entryRow(db, settlement.lease.entry.id)!
            const lease = { ...settlement.lease, token: row.lease_token }
            return { ...settlement, lease: { ...lease, worker: row.lease_owner ?? lease.worker } }
          }),
          at,
        ),
      ),
  }),

  /** What somebody holds is leased like what nobody does. */
  "lease without a look at the state": (queue) => ({
    ...queue,
    lease: (worker, leaseMs, limit) =>
      queue.transact((db, at) =>
        db
          .query<EntryRow, [number]>(READY.replace("END = 'pending'", "END IN ('pending', 'in_progress')"))
          .all(limit)
          .flatMap(({ id }) => {
            db.query(TAKE_AWAY).run(id)
            return leaseBatch(db, { worker, at, leaseMs, limit: 1, only: id }).leases
          }),
      ),
  }),

  /** Says what it is going to store, and stores it with the next call. */
  "answer before it is stored": (queue) => {
    let promised: Effect.Effect<unknown, never> = Effect.void
    return {
      ...queue,
      enqueue: (items, options) =>
        Effect.gen(function* () {
          yield* promised
          promised = Effect.ignore(queue.enqueue(items, options))
          const prepared = items.map(prepareItem)
          return yield* queue
            .transact((db, at) => {
              throw new Promised(enqueueAll(db, prepared, { ...options, at }))
            })
            .pipe(
              Effect.catchAllDefect((defect) =>
                defect instanceof Promised ? Effect.succeed(defect.outcomes) : Effect.die(defect),
              ),
            )
        }),
    }
  },
}

class Promised {
  readonly outcomes: ReturnType<typeof enqueueAll>
  constructor(outcomes: ReturnType<typeof enqueueAll>) {
    this.outcomes = outcomes
  }
}

export const KNOWN_BAD: readonly string[] = Object.keys(VARIANTS).filter((name) => name !== "none")

export const knownBad = (queue: QueueServiceShape, variant: string): QueueServiceShape =>
  VARIANTS[variant]!(queue)
