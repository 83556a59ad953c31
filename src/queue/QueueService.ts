import type { Database as Sqlite } from "bun:sqlite"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { StateCounts } from "../domain/entry.ts"
import type { Result } from "../domain/result.ts"
import type { Millis } from "../domain/time.ts"
import { counted } from "../domain/words.ts"
import { type AuditHead, auditHead } from "../platform/audit-append.sql.ts"
import { Database, type DatabaseError } from "../platform/Database.ts"
import { approveAll, type BoundApproval } from "./approve-all.ts"
import {
  approve,
  baseMoved,
  claimProven,
  type Decision,
  type DecisionTarget,
  expireDue,
  requeue,
  type Withdrawal,
  withdraw,
} from "./decide.ts"
import { type EnqueueItem, type EnqueueOutcome, enqueueAll, prepareItem } from "./enqueue.ts"
import { settleAndLease } from "./fused.ts"
import {
  type Lease,
  type LeaseBatch,
  leaseBatch,
  promoteDue,
  reclaimEnded,
  reclaimExpired,
  renewLeases,
} from "./lease.ts"
import { DUE, type EntryRow, EXPIRED_LEASES, EXPIRING, PROVEN, SET_REASON } from "./queue.sql.ts"
import { depth } from "./read.ts"
import { type Settled, type Settlement, settleAll } from "./settle.ts"
import { findOld, type SweepFound, type SweepOptions, sweepChunk, sweepCursor } from "./sweep.ts"
import { entryRow } from "./transition.ts"

/** With these items the queue would hold more than `queue.max_depth` undecided entries: try later (exit 75). */
export class QueueFull extends Data.TaggedError("QueueFull")<{
  readonly depth: number
  readonly limit: number
}> {
  override get message(): string {
    return `the queue is full: ${counted(this.depth, "entry is", "entries are")} not decided yet (queue.max_depth ${this.limit})`
  }
}

/** Watchdog work per call, bounded so that it never holds the write lock for long. */
const CHUNK = 100

export interface QueueServiceShape {
  /**
   * Each item is queued, a duplicate or rejected on its own; `QueueFull` refuses all of them. Durable across kill -9
   * when it returns.
   */
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
    /** Only this entry, and only when it is ready. */
    only?: number,
  ) => Effect.Effect<readonly Lease[], DatabaseError>
  /** Extends leases to now + `leaseMs`; returns the entries whose lease is lost, which their history then says. */
  readonly renew: (
    leases: readonly Lease[],
    leaseMs: Millis,
  ) => Effect.Effect<readonly number[], DatabaseError>
  /** Writes outcomes behind their fences; `durable` for landings. */
  readonly settle: (
    settlements: readonly Settlement[],
    options?: { readonly durable?: boolean },
  ) => Effect.Effect<Settled, DatabaseError>
  /** `settle` and `lease` in one transaction. Entries that were dropped on the way may leave less than there is. */
  readonly settleAndLease: (
    settlements: readonly Settlement[],
    next: { readonly worker: string; readonly leaseMs: Millis; readonly limit: number },
  ) => Effect.Effect<Settled & LeaseBatch, DatabaseError>
  /** Verified entries in landing order. */
  readonly proven: (limit: number) => Effect.Effect<readonly EntryRow[], DatabaseError>
  /** Takes a verified entry into `committing`; null when it is gone, expired, or waits for another one. */
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
  /** Takes back at once what is in the hands of owners that have ended; how many. */
  readonly reclaimEnded: (ended: (owner: string) => boolean) => Effect.Effect<number, DatabaseError>
  /** One bounded chunk of old decided entries, in a transaction of its own; ask again while there is more. */
  readonly sweep: (options: SweepOptions) => Effect.Effect<SweepFound, DatabaseError>
  readonly approve: (
    target: DecisionTarget,
    decision: Decision,
    satisfied: boolean,
  ) => Effect.Effect<EntryRow | null, DatabaseError>
  /** All of a person's approvals or none: fails with the entries that are no longer what was shown. */
  readonly approveAll: (
    approvals: readonly BoundApproval[],
  ) => Effect.Effect<Result<readonly EntryRow[], readonly number[]>, DatabaseError>
  readonly withdraw: (id: number, withdrawal: Withdrawal) => Effect.Effect<EntryRow | null, DatabaseError>
  readonly requeue: (
    id: number,
    reason: string,
    actor: string,
  ) => Effect.Effect<EntryRow | null, DatabaseError>
  /**
   * One durable transaction over the functions of this folder (`settleAll`, `claimProven`), for steps that must be
   * stored together.
   */
  readonly transact: <A>(body: (db: Sqlite, at: Millis) => A) => Effect.Effect<A, DatabaseError>
  /** Says why entries stay where they are, without a transition; nothing is written when they say so already. */
  readonly explain: (
    ids: readonly number[],
    reason: { readonly code: string; readonly text: string },
  ) => Effect.Effect<void, DatabaseError>
  readonly head: () => Effect.Effect<AuditHead, DatabaseError>
  readonly counts: () => Effect.Effect<StateCounts, DatabaseError>
  /** Read-only access for `read.ts`: the body must finish its statements. */
  readonly read: <A>(body: (db: Sqlite) => A) => Effect.Effect<A, DatabaseError>
}

const somethingDue = (db: Sqlite, at: Millis): boolean =>
  [EXPIRED_LEASES, DUE, EXPIRING].some((due) => db.query<EntryRow, [number, number]>(due).get(at, 1) !== null)

const make = Effect.gen(function* () {
  const database = yield* Database
  const now = Clock.currentTimeMillis
  // Each step of an Effect costs about what a small statement does: reading the clock takes none of its own.
  const write = <A>(body: (db: Sqlite, at: Millis) => A, options?: { readonly durable?: boolean }) =>
    Effect.clockWith((clock) => {
      const at = clock.unsafeCurrentTimeMillis()
      return database.write((db) => body(db, at), options)
    })

  // Untraced: a span costs as much as three statements. Who calls in a loop traces the loop.
  const service: QueueServiceShape = {
    enqueue: (items, options) =>
      Effect.clockWith((clock) => {
        const at = options.at ?? clock.unsafeCurrentTimeMillis()
        const prepared = items.map(prepareItem)
        const stored = database.write((db) => {
          const head = auditHead(db)
          const live = depth(head.counts)
          return live + prepared.length > options.maxDepth
            ? live
            : enqueueAll(db, prepared, { ...options, at }, head)
        })
        return Effect.filterOrFail(
          stored,
          (outcomes) => typeof outcomes !== "number",
          (live) => new QueueFull({ depth: live, limit: options.maxDepth }),
        )
      }),
    lease: (worker, leaseMs, limit, only) => {
      const claim: Effect.Effect<readonly Lease[], DatabaseError> = Effect.flatMap(
        write((db, at) =>
          leaseBatch(db, { worker, at, leaseMs, limit, ...(only !== undefined && { only }) }),
        ),
        ({ leases, dropped }) => (leases.length > 0 || dropped === 0 ? Effect.succeed(leases) : claim),
      )
      return claim
    },
    renew: (leases, leaseMs) => write((db, at) => renewLeases(db, leases, leaseMs, at)),
    settle: (settlements, options) => write((db, at) => settleAll(db, settlements, at), options),
    settleAndLease: (settlements, next) =>
      write((db, at) => settleAndLease(db, settlements, { ...next, at })),
    proven: (limit) => database.read((db) => db.query<EntryRow, [number]>(PROVEN).all(limit)),
    claimProven: (id, worker, leaseMs) => write((db, at) => claimProven(db, id, worker, at + leaseMs, at)),
    baseMoved: (ids, actor, detail) => write((db, at) => baseMoved(db, ids, actor, detail, at)),
    maintain: Effect.fnUntraced(function* () {
      const at = yield* now
      // Looked at first without the write lock: an idle queue is only read.
      if (!(yield* database.read((db) => somethingDue(db, at)))) return false
      const done = yield* database.write(
        (db) => reclaimExpired(db, at, CHUNK) + promoteDue(db, at, CHUNK) + expireDue(db, at, CHUNK),
      )
      return done > 0
    }),
    reclaimEnded: (ended) => write((db, at) => reclaimEnded(db, ended, at, CHUNK)),
    sweep: Effect.fnUntraced(function* (options) {
      const at = yield* now
      // An idle queue is only read.
      const found = yield* database.read((db) => {
        const cursor = sweepCursor(db, options.kind)
        const next = findOld(db, options, cursor, at)
        return next.cursor === cursor ? next : null
      })
      return found ?? (yield* database.write((db) => sweepChunk(db, options, at)))
    }),
    approve: (target, decision, satisfied) =>
      write((db, at) => approve(db, target, decision, satisfied, at), { durable: true }),
    approveAll: (approvals) => write((db, at) => approveAll(db, approvals, at), { durable: true }),
    withdraw: (id, withdrawal) => write((db, at) => withdraw(db, id, withdrawal, at), { durable: true }),
    requeue: (id, reason, actor) => write((db, at) => requeue(db, id, reason, actor, at)),
    transact: (body) => write(body, { durable: true }),
    explain: Effect.fn("QueueService.explain")(function* (ids, { code, text }) {
      const silent = yield* database.read((db) => ids.filter((id) => entryRow(db, id)?.reason !== text))
      if (silent.length === 0) return
      yield* database.write((db) => {
        for (const id of silent) db.query(SET_REASON).run(id, code, text)
      })
    }),
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
