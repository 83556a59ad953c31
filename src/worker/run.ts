import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type { StateCounts } from "../domain/entry.ts"
import type { Policy } from "../domain/policy.ts"
import type { Millis } from "../domain/time.ts"
import { Database } from "../platform/Database.ts"
import { LineLock } from "../platform/LineLock.ts"
import { QueueService } from "../queue/QueueService.ts"
import { depth } from "../queue/read.ts"
import { entryRow } from "../queue/transition.ts"
import { traceAttempts } from "./attempt-spans.ts"
import { type Base, currentBase } from "./base.ts"
import type { WorkerContext } from "./context.ts"
import { FIRST_SIZING, MAX_GROUP } from "./group.ts"
import { type HeldLeases, makeHeldLeases } from "./held-leases.ts"
import { idleWaits } from "./idle.ts"
import { leasedWork, runLine } from "./line.ts"
import type { TurnOptions } from "./options.ts"
import { makePool } from "./pool.ts"
import { nextProof } from "./proof.ts"
import { provenWork } from "./proven.ts"
import {
  type RecoveredEntry,
  type RecoveryReport,
  recoverAtStart,
  recoverBetweenTurns,
  type WaitingEntry,
} from "./recover.ts"
import { nothingJudged, rejudge } from "./rejudge.ts"
import type { Happening } from "./report.ts"
import { StageKeeper } from "./StageKeeper.ts"
import { sortLine } from "./sort.ts"

export interface WorkerOptions extends TurnOptions {
  /** `once`: until something happened to an entry; `drain`: until nothing is runnable; `forever`: until told to stop. */
  readonly mode: "once" | "drain" | "forever"
  readonly tell: (happening: Happening) => Effect.Effect<void>
  /** Told how long an idle worker waited before it looked again. */
  readonly waited?: ((ms: Millis) => void) | undefined
}

export interface WorkerSummary {
  readonly landed: number
  readonly waiting: number
  readonly conflict: number
  readonly failed: number
  readonly retry: number
  readonly blocked: number
  /** Entries that this run touched, by what became of them last; of a run without end only the newest 1,000. */
  readonly entries: readonly Happening[]
}

/** A blocked entry (dirty file, rebase in progress) is looked at again after this long, then after twice as long. */
const BLOCKED_MS: Millis = 2_000
const BLOCKED_MAX_MS: Millis = 10_000

/** Entries that a worker without end still knows, so that weeks of work take no more memory than a day's. */
const REMEMBERED = 1_000

/**
 * Works until the mode says stop: leases, proves up to `workers` trees side by side, and lands what is proven and
 * approved, one move of the branch at a time. Proven entries go first: what is finished lands before something new
 * begins. All decisions are made here, in one fiber; the pool runs guards and lands.
 */
export const runWorker = Effect.fn("worker.run")(function* (options: WorkerOptions) {
  // Until it ends, no other version migrates the database under it.
  yield* (yield* Database).enter
  const queue = yield* QueueService
  const stages = yield* StageKeeper
  const last = new Map<number, Happening>()
  const blocked = blockedEntries(options.mode)
  const judged = nothingJudged()
  const take = Effect.fn("worker.take")(function* (happenings: readonly Happening[]) {
    for (const happening of happenings) {
      const before = last.get(happening.entry_id)
      last.delete(happening.entry_id)
      last.set(happening.entry_id, happening)
      if (options.mode === "forever" && last.size > REMEMBERED) last.delete(last.keys().next().value!)
      // A blocked entry is told once, not at every look.
      if (before?.outcome !== "blocked" || before.message !== happening.message)
        yield* options.tell(happening)
    }
    const inTheWay = happenings.filter(({ outcome }) => outcome === "blocked")
    blocked.add(
      inTheWay.map(({ entry_id }) => entry_id),
      yield* Clock.currentTimeMillis,
    )
  })

  const tellRecovered = Effect.fn("worker.tellRecovered")(function* ({ settled, waiting }: RecoveryReport) {
    const ids = [...settled, ...waiting].map(({ entryId }) => entryId)
    const rows = yield* queue.read((db) => ids.map((id) => entryRow(db, id)))
    const tasks = new Map(rows.flatMap((row) => (row ? [[row.id, row.task_id] as const] : [])))
    yield* take(settled.map((entry) => recoveredHappening(entry, tasks.get(entry.entryId) ?? "")))
    yield* take(waiting.map((entry) => waitingHappening(entry, tasks.get(entry.entryId) ?? "")))
  })

  yield* tellRecovered(yield* recoverAtStart())
  // A policy nobody trusts is said now, not with the first entry.
  let { policy } = (yield* currentBase()).policy
  const lineLock = yield* LineLock
  const idle = yield* idleWaits(options.waited ?? (() => {}))
  const attempts = yield* traceAttempts
  let hasHappened = false
  const context: WorkerContext = {
    options,
    held: yield* makeHeldLeases(),
    sizing: FIRST_SIZING,
    greens: new Map(),
    take: (happenings) => {
      hasHappened ||= happenings.length > 0
      return Effect.zipRight(attempts.end(happenings), take(happenings))
    },
  }
  const pool = yield* makePool<PoolError, PoolServices>()
  const isOne = options.mode === "once" || options.only !== undefined
  const isFull = () => pool.running() >= (isOne ? 1 : policy.workers)
  /** Who was told to work until the end does, whoever else is at it. */
  const mayLand = options.mode === "forever" ? lineLock.take : () => Effect.succeed(true)

  /** Starts what can be started, or does what takes no time. False when there is nothing. */
  const step = Effect.fn("worker.step")(function* (counts: StateCounts) {
    const { held } = context
    const hasWork = counts.verified > 0 || counts.pending > 0
    if (!hasWork && held.in("line").length === 0 && held.in("proofs").length === 0) return false
    // Before anybody asks git and the policy.
    if (isFull()) return false
    const isLineFree = !pool.isRunning("line") && (yield* mayLand(policy.queue.lease_seconds * 1_000))
    if (!isLineFree && !pool.isRunning("line") && landsAll(policy)) return false
    const base = yield* currentBase()
    policy = base.policy.policy
    if (isFull()) return false
    const free = (isOne ? 1 : policy.workers) - pool.running()
    if (isLineFree) {
      const skip = blocked.at(yield* Clock.currentTimeMillis)
      const proven = counts.verified > 0 ? yield* provenWork(context, base, skip) : null
      if (proven === "again") return true
      const line = held.in("line").length > 0
      const work = proven ?? (line ? yield* leasedWork(context, base) : null)
      if (work !== null) yield* pool.start("line", Effect.ensuring(runLine(context, work), lineLock.release))
      // Without one, what was in the line has been settled, or waits for a proof of its own.
      if (work !== null || line) return true
    }
    if (held.in("proofs").length > 0) {
      const proof = yield* nextProof(context, base, { isLineFree })
      if (proof !== null) yield* pool.start("proof", proof)
      return true
    }
    const limit = roomFor(context, base, free, isLineFree)
    if (counts.pending === 0 || limit === 0) return false
    const leaseMs = base.policy.policy.queue.lease_seconds * 1_000
    const startNs = yield* Clock.currentTimeNanos
    const leases = yield* queue.lease(options.worker, leaseMs, limit, options.only)
    if (leases.length === 0) return false
    attempts.begin(leases, { startNs, endNs: yield* Clock.currentTimeNanos })
    held.take(leases, leaseMs)
    if (!isLineFree) yield* sortLine(context, base, leases, { settle: false })
    return true
  })

  yield* Effect.addFinalizer(() => lineLock.release)
  const takeOver = yield* watchOwners(options.worker, context.held)
  for (;;) {
    yield* idle.mark
    yield* pool.reap
    yield* context.held.renewDue
    yield* queue.maintain()
    if (!pool.isRunning("line")) yield* tellRecovered(yield* recoverBetweenTurns())
    yield* stages.sweep
    // The log's head says what there is, so that an idle look asks neither git nor the policy.
    const { counts } = yield* queue.head()
    if (yield* takeOver(counts.in_progress)) continue
    if (options.mode === "once" && hasHappened) break
    if (yield* step(counts)) continue
    if (!pool.isRunning("line")) yield* lineLock.release
    if (pool.running() > 0) {
      yield* Effect.raceFirst(pool.ended, idle.wait(false))
      continue
    }
    if (options.only === undefined && counts.awaiting_approval > 0)
      if (yield* rejudge(options.worker, judged)) continue
    if (options.mode !== "forever") break
    yield* idle.wait(depth(counts) === 0)
  }
  return summarise([...last.values()])
}, Effect.scoped)

/** How often a worker asks whether the others that hold leases are alive. */
const ALIVE_MS: Millis = 1_000

/**
 * Takes back what workers hold that have ended, without waiting for their leases to run out. `leased`: how many entries
 * are in anybody's hands. True when there was some.
 */
const watchOwners = Effect.fn("worker.watchOwners")(function* (worker: string, held: HeldLeases) {
  const queue = yield* QueueService
  const database = yield* Database
  let next: Millis = 0
  return Effect.fnUntraced(function* (leased: number) {
    const now = yield* Clock.currentTimeMillis
    if (leased <= held.size() || now < next) return false
    next = now + ALIVE_MS
    const ended = yield* database.ended
    // A worker whose own name does not say which process it is cannot judge by names.
    return !ended(worker) && (yield* queue.reclaimEnded(ended)) > 0
  })
})

type PoolError = Effect.Effect.Error<ReturnType<typeof runLine>> | Effect.Effect.Error<ProofRun>
type PoolServices = Effect.Effect.Context<ReturnType<typeof runLine>> | Effect.Effect.Context<ProofRun>
type ProofRun = NonNullable<Effect.Effect.Success<ReturnType<typeof nextProof>>>

/** Whether whatever is leased goes into the line: nothing is proven for people first. */
const landsAll = ({ guards, approvals }: Policy): boolean => guards.length === 0 || approvals.required === 0

/** How many entries to lease now: as many as can begin at once. */
const roomFor = ({ options, held }: WorkerContext, base: Base, free: number, isLineFree: boolean): number => {
  const { policy } = base.policy
  const guarded = policy.guards.length > 0
  if (options.limit !== undefined) return isLineFree ? options.limit : 0
  // Until the line is free they stay where a more urgent one, or another worker, may come before them.
  if (landsAll(policy)) return isLineFree ? Math.min(policy.queue.batch, guarded ? MAX_GROUP : Infinity) : 0
  // What waits for people is proven one by one; what does not is found out by leasing it.
  return held.in("line").length < MAX_GROUP ? free : 0
}

/**
 * Entries whose landing was blocked: each is left out of the turns for a while, so that those behind it get theirs. A
 * run that ends by itself looks at each of them once.
 */
const blockedEntries = (mode: WorkerOptions["mode"]) => {
  const entries = new Map<number, { readonly until: Millis; readonly wait: Millis }>()
  return {
    at: (now: Millis): ReadonlySet<number> =>
      new Set([...entries].flatMap(([id, { until }]) => (until > now ? [id] : []))),
    add: (ids: readonly number[], now: Millis): void => {
      for (const [id, { until }] of entries) if (until + BLOCKED_MAX_MS < now) entries.delete(id)
      for (const id of ids) {
        const wait = Math.min(BLOCKED_MAX_MS, (entries.get(id)?.wait ?? BLOCKED_MS / 2) * 2)
        entries.set(id, { until: mode === "forever" ? now + wait : Number.POSITIVE_INFINITY, wait })
      }
    },
  }
}

const recoveredHappening = ({ entryId, outcome, commit, left }: RecoveredEntry, task: string): Happening => {
  const kept = left.length === 0 ? "" : `; kept as somebody else wrote them: ${left.join(", ")}`
  return {
    entry_id: entryId,
    task_id: task,
    outcome: outcome === "finished" ? "landed" : "waiting",
    commit,
    code: outcome === "finished" ? null : "landing_undone",
    message:
      outcome === "finished"
        ? `its landing, cut off by a crash, was finished${kept}`
        : `its landing, cut off by a crash, was undone${kept}`,
  }
}

const waitingHappening = ({ entryId, reason }: WaitingEntry, task: string): Happening => ({
  entry_id: entryId,
  task_id: task,
  outcome: "blocked",
  commit: null,
  code: "recovery_blocked",
  message: `its landing was cut off by a crash and waits to be recovered: ${reason}`,
})

const summarise = (entries: readonly Happening[]): WorkerSummary => {
  const count = (outcome: Happening["outcome"]) => entries.filter((entry) => entry.outcome === outcome).length
  return {
    landed: count("landed"),
    waiting: count("waiting"),
    conflict: count("conflict"),
    failed: count("failed"),
    retry: count("retry"),
    blocked: count("blocked"),
    entries,
  }
}
