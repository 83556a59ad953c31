import { describe, expect, test } from "bun:test"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as TestClock from "effect/TestClock"
import * as v from "valibot"
import { QueueMetrics } from "../../src/domain/records.ts"
import { auditAppender } from "../../src/platform/audit-append.sql.ts"
import { Database } from "../../src/platform/Database.ts"
import { QueueService } from "../../src/queue/QueueService.ts"
import { type MetricsOptions, TelemetryService } from "../../src/telemetry/TelemetryService.ts"
import { positionAt, readWindow, SAMPLE_ROWS } from "../../src/telemetry/window.ts"
import { aFailureReport } from "../support/builders.ts"
import { START, withLayer } from "../support/effect.ts"
import {
  aDecision,
  anItem,
  aVerification,
  DAY,
  ENQUEUE,
  enqueued,
  LEASE_MS,
  landed,
  leased,
  queueInFile,
  queueInMemory,
  settled,
} from "../support/queue.ts"

const layer = Layer.provideMerge(TelemetryService.layer, queueInMemory)
const it = withLayer(layer)

const measured = (options: Partial<MetricsOptions> = {}) =>
  Effect.flatMap(TelemetryService, (telemetry) =>
    telemetry.metrics({
      windowMs: 60_000,
      retentionMs: 7 * DAY,
      deadLetterMs: 30 * DAY,
      castBuilder: null,
      ...options,
    }),
  )

describe("the metrics document", () => {
  it.effect("of an empty queue fits its schema", () =>
    Effect.gen(function* () {
      const metrics = yield* measured()
      expect(v.parse(QueueMetrics, metrics)).toEqual(metrics)
      expect(metrics).toMatchObject({
        queue_depth: 0,
        throughput_per_minute: 0,
        success_rate: null,
        avg_dequeue_latency_ms: null,
        last_cleanup_timestamp: null,
        worker_count: 0,
      })
    }),
  )

  it.effect("measures from waiting to leased, from committing to landed, from enqueued to landed", () =>
    Effect.gen(function* () {
      yield* enqueued()
      yield* TestClock.adjust(2_000)
      const lease = yield* leased()
      yield* TestClock.adjust(7_000)
      yield* settled(lease, "committing")
      yield* TestClock.adjust(400)
      yield* settled(lease, "applied")
      const metrics = yield* measured()
      expect(v.parse(QueueMetrics, metrics)).toEqual(metrics)
      expect(metrics).toMatchObject({
        status_counts: { pending: 0, in_progress: 0, applied: 1, failed: 0 },
        avg_dequeue_latency_ms: 2_000,
        avg_apply_duration_ms: 400,
        cast_latency_ms: 9_400,
        throughput_per_minute: 1,
        success_rate: 1,
        timestamp: Math.floor((START + 9_400) / 1_000),
        agent_average_complexity: 1,
      })
    }),
  )

  it.effect("counts the window only, and takes rates over its length", () =>
    Effect.gen(function* () {
      for (const taskId of ["one", "two", "three"]) yield* landed({ taskId })
      yield* TestClock.adjust(90_000)
      yield* landed({ taskId: "four" })
      yield* enqueued({ taskId: "conflict" })
      yield* settled(yield* leased(), "conflict")
      yield* enqueued({ taskId: "failed" })
      yield* settled(yield* leased(), "failed")
      expect(yield* measured()).toMatchObject({
        throughput_per_minute: 1,
        conflicts: 1,
        success_rate: 0.333,
        guard_results: { failed: 1 },
        state_counts: { applied: 4, conflict: 1, failed: 1 },
      })
      expect(yield* measured({ windowMs: 120_000 })).toMatchObject({
        window_seconds: 120,
        throughput_per_minute: 2,
        success_rate: 0.667,
      })
    }),
  )

  it.effect("counts duplicates, contention and the wait for the last approval", () =>
    Effect.gen(function* () {
      const queue = yield* QueueService
      yield* enqueued({ taskId: "twice" })
      yield* queue.enqueue([anItem({ taskId: "twice" })], ENQUEUE)
      yield* leased()
      yield* TestClock.adjust(LEASE_MS + 1)
      yield* queue.maintain()
      const lease = yield* leased()
      yield* settled(lease, "awaiting_approval")
      yield* TestClock.adjust(10_000)
      yield* queue.approve({ entryId: lease.entry.id }, aDecision({ approver: "ada" }), false)
      yield* TestClock.adjust(5_000)
      yield* queue.approve({ entryId: lease.entry.id }, aDecision({ approver: "grace" }), true)
      expect(yield* measured()).toMatchObject({
        dedup_hits: 1,
        lease_contention_events: 1,
        agent_guard_approval_latency_ms: 15_000,
      })
    }),
  )

  it.effect("counts a verdict when it falls, not when the entry lands; none where no guard applied", () =>
    Effect.gen(function* () {
      const queue = yield* QueueService
      const proven = (guards: number) =>
        Effect.gen(function* () {
          const lease = yield* leased()
          yield* queue.settle([
            {
              to: "awaiting_approval",
              lease,
              verification: aVerification({ guards }),
              reason: { code: "approval_missing", text: "waits" },
            },
          ])
        })
      for (const taskId of ["green", "unguarded", "red", "infra", "spent"]) yield* enqueued({ taskId })
      yield* proven(2)
      yield* proven(0)
      yield* settled(yield* leased(), "failed")
      const again = { runAt: START, charged: true, reason: { code: "guard_timeout", text: "slow" } }
      yield* queue.settle([{ to: "scheduled", lease: yield* leased(), ...again }])
      const report = aFailureReport({ code: "guard_infra" })
      yield* queue.settle([{ to: "failed", lease: yield* leased(), reasonClass: "attempts", report }])
      expect(yield* measured()).toMatchObject({
        guard_results: { passed: 1, failed: 1, infra: 2 },
        agent_guard_success_rate: 0.5,
        success_rate: 0,
      })
    }),
  )

  it.effect("takes the rate of requests over what it read, however much more the window holds", () =>
    Effect.gen(function* () {
      const database = yield* Database
      const busy = (rows: number) =>
        Effect.gen(function* () {
          const at = yield* Clock.currentTimeMillis
          yield* database.write((db) => {
            const audit = auditAppender(db, at)
            for (let n = 0; n < rows; n++) audit.append({ event: "agent_run", actor: "ada", subject: "t" })
          })
        })
      yield* busy(3_600)
      yield* TestClock.adjust(3_600_000)
      expect((yield* measured({ windowMs: 7_200_000 })).agent_requests_per_second).toBeCloseTo(0.56, 2)
      yield* TestClock.adjust(7_200_000)
      yield* busy(1)
      expect((yield* measured({ windowMs: 3_600_000 })).agent_requests_per_second).toBe(0.000278)
      for (let second = 0; second < 50; second++) {
        yield* busy(100)
        yield* TestClock.adjust(1_000)
      }
      expect((yield* measured()).agent_requests_per_second).toBe(100)
    }),
  )

  it.effect("says what is due for cleanup, by the retention of each kind", () =>
    Effect.gen(function* () {
      yield* landed({ taskId: "old" })
      yield* enqueued({ taskId: "failed" })
      yield* settled(yield* leased(), "failed")
      yield* TestClock.adjust(8 * DAY)
      yield* landed({ taskId: "new", at: START + 8 * DAY })
      expect(yield* measured()).toMatchObject({ stale_applied_rows: 1, stale_dead_letter_rows: 0 })
      yield* TestClock.adjust(23 * DAY)
      expect(yield* measured()).toMatchObject({ stale_applied_rows: 2, stale_dead_letter_rows: 1 })
    }),
  )

  it.effect("says when the log is ahead of the clock", () =>
    Effect.gen(function* () {
      yield* enqueued()
      expect((yield* measured()).timestamp_skew_secs).toBe(0)
      yield* TestClock.setTime(START - 90_500)
      expect((yield* measured()).timestamp_skew_secs).toBe(91)
    }),
  )

  withLayer(Layer.provideMerge(TelemetryService.layer, queueInFile)).effect(
    "has SQLite's checkpoint columns under their own names, and checkpoints nothing",
    () =>
      Effect.gen(function* () {
        yield* enqueued()
        const database = yield* Database
        const stats = (yield* measured()).wal_checkpoint_stats!
        expect(stats.busy).toBe(0)
        expect(stats.log).toBeGreaterThan(0)
        expect(stats.checkpointed).toBeLessThan(stats.log)
        yield* database.read((db) => db.query("PRAGMA wal_checkpoint(PASSIVE)").all())
        expect((yield* measured()).wal_checkpoint_stats).toEqual({ ...stats, checkpointed: stats.log })
      }),
  )

  it.effect("knows how long idle workers of this process wait", () =>
    Effect.gen(function* () {
      const { polled } = yield* TelemetryService
      expect((yield* measured()).avg_poll_interval_ms).toBeNull()
      polled(200)
      polled(210)
      expect((yield* measured()).avg_poll_interval_ms).toBe(205)
    }),
  )

  withLayer(Layer.provideMerge(TelemetryService.layer, queueInFile)).effect("counts workers at work", () =>
    Effect.gen(function* () {
      const database = yield* Database
      yield* Effect.scoped(
        Effect.gen(function* () {
          yield* database.enter
          yield* database.enter
          expect((yield* measured()).worker_count).toBe(2)
        }),
      )
      expect((yield* measured()).worker_count).toBe(0)
    }),
  )
})

describe("reading the window", () => {
  it.effect("finds the row before a moment, wherever it lies", () =>
    Effect.gen(function* () {
      const queue = yield* QueueService
      for (let n = 0; n < 37; n++) {
        yield* enqueued({ taskId: `task-${n}` })
        yield* TestClock.adjust(1_000)
      }
      const at = (ms: number) => queue.read((db) => positionAt(db, START + ms).seq)
      for (let n = 0; n < 37; n++) {
        expect(yield* at(n * 1_000)).toBe(n)
        expect(yield* at(n * 1_000 + 1)).toBe(n + 1)
      }
      expect(yield* at(-1)).toBe(0)
    }),
  )

  it.effect("stays bounded however much is in it, and its counts stay exact", () =>
    Effect.gen(function* () {
      const queue = yield* QueueService
      const outcomes = yield* queue.enqueue(
        Array.from({ length: SAMPLE_ROWS + 500 }, (_, n) => anItem({ taskId: `task-${n}` })),
        ENQUEUE,
      )
      expect(outcomes).toHaveLength(SAMPLE_ROWS + 500)
      const plan = yield* queue.read((db) => {
        const head = SAMPLE_ROWS + 500
        const window = readWindow(db, START - 1, head)
        return { before: window.before.pending, complexity: window.complexity }
      })
      expect(plan).toEqual({ before: 0, complexity: 1 })
      expect((yield* measured()).state_counts["pending"]).toBe(SAMPLE_ROWS + 500)
    }),
  )
})

test("no statement of telemetry goes through entries, or through the whole log", async () => {
  const sql = await import("../../src/telemetry/metrics.sql.ts")
  const program = Effect.gen(function* () {
    const database = yield* Database
    return yield* database.read((db) =>
      [sql.WINDOW, sql.ROWS_OF_EVENT, sql.ROW_AT_OR_BEFORE, sql.ROW, sql.COMPLEXITY].map((text) => {
        const explain = db.prepare<{ detail: string }, null[]>(`EXPLAIN QUERY PLAN ${text}`)
        const lines = explain.all(...Array.from({ length: explain.paramsCount }, () => null))
        explain.finalize()
        return lines.map(({ detail }) => detail)
      }),
    )
  })
  const { runTest } = await import("../support/effect.ts")
  for (const plan of await runTest(layer, program))
    expect(plan.filter((line) => line.startsWith("SCAN"))).toEqual([])
})
