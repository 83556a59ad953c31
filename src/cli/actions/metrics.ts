import * as Effect from "effect/Effect"
import type { QueueMetrics } from "../../domain/records.ts"
import { fail, ok, type Result } from "../../domain/result.ts"
import { toTimestamp } from "../../domain/time.ts"
import { counted } from "../../domain/words.ts"
import { queueMetrics, scrape, WINDOW_MS } from "../../operations/metrics.ts"
import type { Piece } from "../../platform/Terminal.ts"
import { table } from "../../platform/table.ts"
import { Exit, type ExitCode } from "../exit-codes.ts"
import type { CommandContext } from "../run.ts"
import { runCore } from "../run-program.ts"
import { parseSince } from "../time.ts"

export interface MetricsArgs {
  readonly since: string | undefined
  readonly format: string | undefined
}

const LONGEST_MS = 366 * 86_400_000

/** A number alone is seconds, as it was in the original. */
const windowOf = (text: string | undefined): Result<number, string> => {
  if (text === undefined) return ok(WINDOW_MS)
  const time = parseSince(/^\d+(?:\.\d+)?$/.test(text) ? `${text}s` : text)
  return time.ok && time.value.kind === "ago" && time.value.ms >= 1_000 && time.value.ms <= LONGEST_MS
    ? ok(time.value.ms)
    : fail(`--since ${text} is no span from 1 second to a year`)
}

export const showMetrics = (context: CommandContext<MetricsArgs>): Promise<ExitCode> => {
  const { args, output } = context
  const window = windowOf(args.since)
  if (!window.ok) {
    output.error(
      { code: "bad_value", message: window.error, hint: "hyperion queue-metrics --since 60" },
      Exit.usage,
    )
    return Promise.resolve(Exit.usage)
  }
  return runCore(
    context,
    Effect.map(queueMetrics(window.value), (metrics) => {
      if (args.format === "prometheus") output.data(scrape(metrics))
      else if (output.format === "json") output.json(metrics)
      else if (output.format === "jsonl") output.jsonl(metrics)
      else output.data(metricsText(metrics))
      return Exit.ok as ExitCode
    }),
  )
}

const ms = (value: number | null): string => (value === null ? "n/a" : `${Math.round(value)} ms`)
const share = (value: number | null): string => (value === null ? "n/a" : `${Math.round(value * 100)} %`)
const time = (seconds: number | null): string => (seconds === null ? "never" : toTimestamp(seconds * 1_000))

const metricsText = (metrics: QueueMetrics): readonly Piece[] => {
  const wal = metrics.wal_checkpoint_stats
  const rows: readonly (readonly [string, string])[] = [
    ...Object.entries(metrics.state_counts)
      .filter(([, count]) => count > 0)
      .map(([state, count]) => [state.replaceAll("_", " "), String(count)] as const),
    ["queue depth", String(metrics.queue_depth)],
    ["workers", String(metrics.worker_count)],
    ["landings", `${metrics.throughput_per_minute} a minute`],
    ["landed of decided", share(metrics.success_rate)],
    ["waiting until leased", ms(metrics.avg_dequeue_latency_ms)],
    ["landing", ms(metrics.avg_apply_duration_ms)],
    ["enqueued until landed", ms(metrics.cast_latency_ms)],
    ["waiting for approval", ms(metrics.agent_guard_approval_latency_ms)],
    ["guards green", share(metrics.agent_guard_success_rate)],
    ["leases reclaimed or lost", String(metrics.lease_contention_events)],
    ["requests to agents", `${metrics.agent_requests_per_second} a second`],
    ["duplicates refused", `${metrics.dedup_hits} so far`],
    ["due for cleanup", `${metrics.stale_applied_rows} landed, ${metrics.stale_dead_letter_rows} failed`],
    ["last cleanup", time(metrics.last_cleanup_timestamp)],
    [
      "write-ahead log",
      wal === null ? "n/a" : `${counted(wal.log, "page")}, ${wal.checkpointed} in the database`,
    ],
  ]
  return [`over the last ${metrics.window_seconds} s\n`, ...table(rows)]
}
