import type { Database as Sqlite } from "bun:sqlite"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { decodeCounts, isLive, originalStatus, STATES, type StateCounts } from "../domain/entry.ts"
import type { QueueMetrics } from "../domain/records.ts"
import type { Millis } from "../domain/time.ts"
import { auditHead } from "../platform/audit-append.sql.ts"
import { Database, type DatabaseError } from "../platform/Database.ts"
import { META } from "../platform/meta-keys.ts"
import { type LogPoint, META_VALUES, ROW_AT_OR_BEFORE, WAL_STATS, type WalStats } from "./metrics.sql.ts"
import { positionAt, readWindow } from "./window.ts"

export interface MetricsOptions {
  /** The span that rates and averages are taken over. */
  readonly windowMs: Millis
  /** How long landed and failed entries are kept, from the policy. */
  readonly retentionMs: Millis
  readonly deadLetterMs: Millis
  readonly castBuilder: QueueMetrics["cast_builder"]
}

export interface TelemetryServiceShape {
  /** Where the queue stands and what it did within the window. Reads a bounded number of rows, whatever the backlog. */
  readonly metrics: (options: MetricsOptions) => Effect.Effect<QueueMetrics, DatabaseError>
  /** Notes that an idle worker of this process waited this long before it looked again. */
  readonly polled: (waited: Millis) => void
}

const round = (value: number | null): number | null =>
  value === null ? null : Math.round(value * 1_000) / 1_000

const byStatus = (counts: StateCounts): QueueMetrics["status_counts"] => {
  const sums = { pending: 0, in_progress: 0, applied: 0, failed: 0 }
  for (const state of STATES) sums[originalStatus(state)] += counts[state]
  return sums
}

const rate = (part: number, whole: number): number | null => (whole === 0 ? null : round(part / whole))

/** To the millionth: one request in an hour is not none. */
const perSecond = (count: number, spanMs: Millis): number =>
  Math.round((count * 1e9) / Math.max(1_000, spanMs)) / 1e6

const read = (db: Sqlite, at: Millis, options: MetricsOptions) => {
  const head = auditHead(db)
  const { counts } = head
  const window = readWindow(db, at - options.windowMs, head.seq)
  const since = (state: "applied" | "conflict" | "failed"): number =>
    Math.max(0, counts[state] - window.before[state])
  const meta = new Map(
    db
      .query<{ key: string; value: string }, string[]>(META_VALUES)
      .all(META.dedupHits, META.lastCleanup, META.sweptDecided, META.sweptFailed)
      .map(({ key, value }) => [key, Number(value)]),
  )
  /** Entries that came into a state after the sweep's last row and before what is kept now begins. */
  const stale = (state: "applied" | "failed", cursor: string, keptMs: Millis): number => {
    const due = positionAt(db, at - keptMs)
    const from = meta.get(cursor) ?? 0
    if (due.seq <= from) return 0
    const swept = db.query<LogPoint, [number]>(ROW_AT_OR_BEFORE).get(from)
    return Math.max(0, due.counts[state] - (swept === null ? 0 : decodeCounts(swept.counts)[state]))
  }
  const applied = since("applied")
  const seconds = options.windowMs / 1_000
  const newest = db.query<LogPoint, [number]>(ROW_AT_OR_BEFORE).get(head.seq)
  const lastCleanup = meta.get(META.lastCleanup)
  const wal = db.query<WalStats, []>(WAL_STATS).get()
  return {
    schema_version: 1 as const,
    window_seconds: seconds,
    status_counts: byStatus(counts),
    state_counts: { ...counts },
    queue_depth: STATES.reduce((sum, state) => (isLive(state) ? sum + counts[state] : sum), 0),
    avg_dequeue_latency_ms: round(window.dequeue),
    avg_apply_duration_ms: round(window.apply),
    cast_latency_ms: round(window.cast),
    throughput_per_minute: round((applied * 60) / seconds) ?? 0,
    success_rate: rate(applied, applied + since("conflict") + since("failed")),
    conflicts: since("conflict"),
    lease_contention_events: window.contention,
    timestamp: Math.floor(at / 1_000),
    stale_applied_rows: stale("applied", META.sweptDecided, options.retentionMs),
    stale_dead_letter_rows: stale("failed", META.sweptFailed, options.deadLetterMs),
    dedup_hits: meta.get(META.dedupHits) ?? 0,
    last_cleanup_timestamp: lastCleanup === undefined ? null : Math.floor(lastCleanup / 1_000),
    // Before the first frame is written SQLite answers -1.
    wal_checkpoint_stats: wal === null || wal.log < 0 ? null : wal,
    timestamp_skew_secs: Math.max(0, Math.ceil(((newest?.at ?? 0) - at) / 1_000)),
    // Over what was read: a window with more rows than that would make a busy agent look idle.
    agent_requests_per_second: perSecond(window.agent_runs, at - window.since),
    agent_average_complexity: round(window.complexity),
    agent_guard_success_rate: rate(window.passed, window.passed + window.failed),
    agent_guard_approval_latency_ms: round(window.approval_wait),
    guard_results: { passed: window.passed, failed: window.failed, infra: window.infra },
    cast_builder: options.castBuilder,
  }
}

const make = Effect.map(Database, (database): TelemetryServiceShape => {
  const waits = { count: 0, total: 0 }
  return {
    metrics: Effect.fn("TelemetryService.metrics")(function* (options) {
      const at = yield* Clock.currentTimeMillis
      const measured = yield* database.read((db) => read(db, at, options))
      const workers = yield* database.workers
      return {
        ...measured,
        avg_poll_interval_ms: waits.count === 0 ? null : round(waits.total / waits.count),
        worker_count: workers.length,
      }
    }),
    polled: (waited) => {
      waits.count += 1
      waits.total += waited
    },
  }
})

/** Measures the queue from its log. */
export class TelemetryService extends Context.Tag("hyperion/telemetry/TelemetryService")<
  TelemetryService,
  TelemetryServiceShape
>() {
  static readonly layer = Layer.effect(TelemetryService, make)
}
