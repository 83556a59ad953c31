import type { Database as Sqlite } from "bun:sqlite"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { StateCounts } from "../domain/entry.ts"
import type { Millis } from "../domain/time.ts"
import { type AuditHead, auditHead } from "../platform/audit-append.sql.ts"
import { Database, type DatabaseError } from "../platform/Database.ts"
import {
  approve,
  baseMoved,
  claimProven,
  type Decision,
  type DecisionTarget,
  expireBetween,
  requeue,
  type Withdrawal,
  withdraw,
} from "./decide.ts"
import { type EnqueueItem, type EnqueueOutcome, enqueueAll } from "./enqueue.ts"
import { type Lease, leaseBatch, promoteDue, reclaimExpired, renewLeases } from "./lease.ts"
import { DUE, type EntryRow, EXPIRED_LEASES, EXPIRING, LEASED_AND_EXPIRING, PROVEN } from "./queue.sql.ts"
import { depth } from "./read.ts"
import { type Settled, type Settlement, settleAll } from "./settle.ts"

/** The queue holds `queue.max_depth` undecided entries: try later (exit 75). */
export class QueueFull extends Data.TaggedError("QueueFull")<{
  readonly depth: number
  readonly limit: number
}> {
  override get message(): string {
    return `the queue is full: ${this.depth} entries are not decided yet (queue.max_depth ${this.limit})`
  }
}

/** Watchdog work per call, bounded so that it never holds the write lock for long. */
const CHUNK = 100

export interface QueueServiceShape {
  /** Each item is queued, a duplicate or rejected on its own. Durable across kill -9 when it returns. */
  readonly enqueue: (
    items: readonly EnqueueItem[],
    options: {
      readonly actor: string
      readonly dedupWindowMs: number
      readonly maxDepth: number
      readonly at?: Millis
    },
  ) => Effect.Effect<readonly EnqueueOutcome[], DatabaseError | QueueFull>
  /** Claims up to `limit` best ready entries and the chains behind them; the attempt is counted here. `leaseMs` in ms. */
  readonly lease: (
    worker: string,
    leaseMs: Millis,
    limit: number,
  ) => Effect.Effect<readonly Lease[], DatabaseError>
  /** Extends leases to now + `leaseMs`; returns the entries whose lease is lost. */
  readonly renew: (
    leases: readonly Lease[],
    leaseMs: Millis,
  ) => Effect.Effect<readonly number[], DatabaseError>
  /** Writes outcomes behind their fences; `durable` for landings. */
  readonly settle: (
    settlements: readonly Settlement[],
    options?: { readonly durable?: boolean },
  ) => Effect.Effect<Settled, DatabaseError>
  /** Verified entries in landing order. */
  readonly proven: (limit: number) => Effect.Effect<readonly EntryRow[], DatabaseError>
  /** Takes a verified entry into `committing`; null when it is gone. */
  readonly claimProven: (
    id: number,
    worker: string,
    leaseMs: Millis,
  ) => Effect.Effect<Lease | null, DatabaseError>
  readonly baseMoved: (
    ids: readonly number[],
    actor: string,
    detail: object,
  ) => Effect.Effect<void, DatabaseError>
  /** Watchdog: expired leases back, due retries ready, expired entries to dead letters. Bounded; true when it did something. */
  readonly maintain: () => Effect.Effect<boolean, DatabaseError>
  readonly approve: (
    target: DecisionTarget,
    decision: Decision,
    satisfied: boolean,
  ) => Effect.Effect<EntryRow | null, DatabaseError>
  readonly withdraw: (id: number, withdrawal: Withdrawal) => Effect.Effect<EntryRow | null, DatabaseError>
  readonly requeue: (
    id: number,
    reason: string,
    actor: string,
  ) => Effect.Effect<EntryRow | null, DatabaseError>
  readonly head: () => Effect.Effect<AuditHead, DatabaseError>
  readonly counts: () => Effect.Effect<StateCounts, DatabaseError>
  /** Read-only access for `read.ts`: the body must finish its statements. */
  readonly read: <A>(body: (db: Sqlite) => A) => Effect.Effect<A, DatabaseError>
}

const leasedAndExpiring = (db: Sqlite, from: Millis, to: Millis): Millis | null =>
  db.query<{ at: number | null }, [number, number]>(LEASED_AND_EXPIRING).get(from, to)!.at

const somethingDue = (db: Sqlite, at: Millis, sweptUntil: Millis): boolean =>
  db.query<EntryRow, [number, number]>(EXPIRED_LEASES).get(at, 1) !== null ||
  db.query<EntryRow, [number, number]>(DUE).get(at, 1) !== null ||
  db.query<EntryRow, [number, number, number]>(EXPIRING).get(sweptUntil, at, 1) !== null

const make = Effect.gen(function* () {
  const database = yield* Database
  const now = Clock.currentTimeMillis
  const write = <A>(body: (db: Sqlite, at: Millis) => A, options?: { readonly durable?: boolean }) =>
    Effect.flatMap(now, (at) => database.write((db) => body(db, at), options))

  // Everything that expired up to here has been looked at by this process.
  let sweptUntil: Millis = 0

  const service: QueueServiceShape = {
    enqueue: Effect.fn("QueueService.enqueue")(function* (items, options) {
      const at = options.at ?? (yield* now)
      const live = depth((yield* database.read(auditHead)).counts)
      if (live + items.length > options.maxDepth && live >= options.maxDepth)
        return yield* new QueueFull({ depth: live, limit: options.maxDepth })
      return yield* database.write((db) => enqueueAll(db, items, { ...options, at }))
    }),
    lease: (worker, leaseMs, limit) => write((db, at) => leaseBatch(db, { worker, at, leaseMs, limit })),
    renew: (leases, leaseMs) => write((db, at) => renewLeases(db, leases, at + leaseMs)),
    settle: (settlements, options) => write((db, at) => settleAll(db, settlements, at), options),
    proven: (limit) => database.read((db) => db.query<EntryRow, [number]>(PROVEN).all(limit)),
    claimProven: (id, worker, leaseMs) => write((db, at) => claimProven(db, id, worker, at + leaseMs, at)),
    baseMoved: (ids, actor, detail) => write((db, at) => baseMoved(db, ids, actor, detail, at)),
    maintain: () =>
      Effect.flatMap(now, (at) =>
        Effect.flatMap(
          // Looked at first without the write lock: an idle queue is only read.
          database.read((db) => somethingDue(db, at, sweptUntil)),
          (due) => {
            if (!due) return Effect.succeed(false)
            return database.write((db) => {
              reclaimExpired(db, at, CHUNK)
              promoteDue(db, at, CHUNK)
              if (expireBetween(db, sweptUntil, at, CHUNK) < CHUNK)
                sweptUntil = (leasedAndExpiring(db, sweptUntil, at) ?? at + 1) - 1
              return true
            })
          },
        ),
      ),
    approve: (target, decision, satisfied) =>
      write((db, at) => approve(db, target, decision, satisfied, at), { durable: true }),
    withdraw: (id, withdrawal) => write((db, at) => withdraw(db, id, withdrawal, at), { durable: true }),
    requeue: (id, reason, actor) => write((db, at) => requeue(db, id, reason, actor, at)),
    head: () => database.read(auditHead),
    counts: () => database.read((db) => auditHead(db).counts),
    read: database.read,
  }
  return service
})

/** The durable queue of casts: every state change, its fence and its audit row in one transaction. */
export class QueueService extends Context.Tag("hyperion/queue/QueueService")<
  QueueService,
  QueueServiceShape
>() {
  static readonly layer = Layer.effect(QueueService, make)
}
