import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type { Millis } from "../domain/time.ts"
import type { DatabaseError } from "../platform/Database.ts"
import type { Lease } from "../queue/lease.ts"
import { QueueService } from "../queue/QueueService.ts"
import { type Settlement, settleAll } from "../queue/settle.ts"
import { isOurs } from "./land.ts"

/** Where a held lease is: in the line to land with others, waiting for a proof of its own, or being worked on. */
type Place = "line" | "proofs" | "running"

/** What a worker has leased and not yet settled. The leases are renewed; what is left at the end goes back. */
export interface HeldLeases {
  /** How many there are, those that are being settled among them. */
  readonly size: () => number
  /** In the order in which they were leased. */
  readonly in: (place: Place) => readonly Lease[]
  /** Takes leases into the line. `leaseMs`: how long they were leased for. */
  readonly take: (leases: readonly Lease[], leaseMs: Millis) => void
  readonly move: (leases: readonly Lease[], to: Place) => void
  /** Lets go of those that somebody took away (withdrawn, superseded, reclaimed); gives the others. */
  readonly keepOurs: (leases: readonly Lease[]) => Effect.Effect<readonly Lease[], DatabaseError>
  /**
   * Renews when a third of their time is over by the wall clock, which goes on while a machine sleeps and timers do not.
   * To be called before anybody looks for leases that have run out.
   */
  readonly renewDue: Effect.Effect<void>
  /** Runs what writes the outcomes of these leases, and forgets them. */
  readonly settling: <A, E, R>(
    leases: readonly Lease[],
    body: Effect.Effect<A, E, R>,
  ) => Effect.Effect<A, E, R>
}

/** How often a lease is renewed within its time. */
const RENEWALS = 3

/** None yet, for as long as the scope is open. */
export const makeHeldLeases = Effect.fn("worker.heldLeases")(function* () {
  const queue = yield* QueueService
  const places = new Map<Lease, Place>()
  const settling = new Set<Lease>()
  let leaseMs: Millis = 1_000
  let renewedAt: Millis = 0

  yield* Effect.addFinalizer((exit) =>
    giveBack(
      [...places.keys(), ...settling],
      Exit.isFailure(exit) && !Exit.isInterrupted(exit)
        ? { code: "worker_error", text: "the worker ended with an error" }
        : { code: "stopped", text: "the worker was stopped" },
    ),
  )
  // One that fails is made up for by the next: a lease lasts three.
  const renew = Effect.gen(function* () {
    renewedAt = yield* Clock.currentTimeMillis
    // What is being settled may be settled by now: renewing that would be told as a lost lease.
    const open = yield* queue.read((db) => [...settling].filter((lease) => isOurs(db, lease)))
    if (places.size + open.length > 0) yield* queue.renew([...places.keys(), ...open], leaseMs)
  }).pipe(Effect.ignore)
  const pause = Effect.suspend(() => Effect.sleep(Math.floor(leaseMs / RENEWALS)))
  yield* Effect.forkScoped(Effect.forever(Effect.zipRight(pause, renew)))

  return {
    renewDue: Effect.flatMap(Clock.currentTimeMillis, (at) =>
      at < renewedAt + leaseMs / RENEWALS ? Effect.void : renew,
    ),
    size: () => places.size + settling.size,
    keepOurs: (leases) =>
      Effect.map(
        queue.read((db) => leases.filter((lease) => isOurs(db, lease))),
        (ours) => {
          for (const lease of leases) if (!ours.includes(lease)) places.delete(lease)
          return ours
        },
      ),
    in: (place) => [...places].filter(([, where]) => where === place).map(([lease]) => lease),
    take: (leases, ms) => {
      leaseMs = ms
      for (const lease of leases) places.set(lease, "line")
    },
    move: (leases, to) => {
      for (const lease of leases) if (places.has(lease)) places.set(lease, to)
    },
    settling: (leases, body) =>
      Effect.suspend(() => {
        for (const lease of leases) {
          places.delete(lease)
          settling.add(lease)
        }
        return Effect.tap(body, () => {
          for (const lease of leases) settling.delete(lease)
        })
      }),
  } satisfies HeldLeases
})

/** Returns what is still ours, attempts uncharged: the change is not to blame for what happened to the worker. */
const giveBack = (leases: readonly Lease[], reason: { readonly code: string; readonly text: string }) =>
  leases.length === 0
    ? Effect.void
    : Effect.ignore(
        Effect.flatMap(QueueService, (queue) =>
          queue.transact((db, at) =>
            settleAll(
              db,
              leases
                .filter((lease) => isOurs(db, lease))
                .map((lease): Settlement => ({ to: "pending", lease, reason })),
              at,
            ),
          ),
        ),
      )
