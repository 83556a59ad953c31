import type { QueueMetrics } from "../domain/records.ts"

export interface Family {
  /** Without the `hyperion_` in front. */
  readonly name: string
  readonly type: "gauge" | "counter"
  readonly help: string
  readonly samples: readonly (readonly [labels: Readonly<Record<string, string>>, value: number | null])[]
}

const one = (type: Family["type"], name: string, help: string, value: number | null): Family => ({
  name,
  type,
  help,
  samples: [[{}, value]],
})

const seconds = (ms: number | null): number | null => (ms === null ? null : ms / 1_000)

const labelled = (label: string, values: Readonly<Record<string, number>>): Family["samples"] =>
  Object.entries(values).map(([key, value]) => [{ [label]: key }, value])

/** Every figure of the metrics document as a time series, under one name wherever it goes. */
export const families = (metrics: QueueMetrics): readonly Family[] => {
  const { state_counts: states, wal_checkpoint_stats: wal } = metrics
  const window = `over the last ${metrics.window_seconds} s`
  return [
    { name: "entries", type: "gauge", help: "Entries by state", samples: labelled("state", states) },
    one("gauge", "queue_depth", "Entries that are not decided yet", metrics.queue_depth),
    one("counter", "landings_total", "Entries that landed", states["applied"] ?? 0),
    one("counter", "conflicts_total", "Entries that came into conflict", states["conflict"] ?? 0),
    one("counter", "dedup_hits_total", "Duplicates refused", metrics.dedup_hits),
    one("gauge", "landings_per_minute", `Landings ${window}`, metrics.throughput_per_minute),
    one("gauge", "success_ratio", `Landed of decided ${window}`, metrics.success_rate),
    one(
      "gauge",
      "dequeue_latency_seconds",
      `Mean time from waiting to leased ${window}`,
      seconds(metrics.avg_dequeue_latency_ms),
    ),
    one(
      "gauge",
      "apply_duration_seconds",
      `Mean time of a landing ${window}`,
      seconds(metrics.avg_apply_duration_ms),
    ),
    one(
      "gauge",
      "cast_latency_seconds",
      `Mean time from enqueued to landed ${window}`,
      seconds(metrics.cast_latency_ms),
    ),
    one(
      "gauge",
      "approval_latency_seconds",
      `Mean wait for approvals ${window}`,
      seconds(metrics.agent_guard_approval_latency_ms),
    ),
    one(
      "gauge",
      "lease_contention_events",
      `Leases reclaimed or found lost ${window}`,
      metrics.lease_contention_events,
    ),
    {
      name: "guard_results",
      type: "gauge",
      help: `Verdicts of the guards ${window}`,
      samples: labelled("result", metrics.guard_results),
    },
    one(
      "gauge",
      "guard_success_ratio",
      `Green of green and red verdicts ${window}`,
      metrics.agent_guard_success_rate,
    ),
    one(
      "gauge",
      "agent_requests_per_second",
      `Assignments that agents were asked for ${window}`,
      metrics.agent_requests_per_second,
    ),
    one("gauge", "agent_complexity", `Mean complexity of casts ${window}`, metrics.agent_average_complexity),
    one(
      "gauge",
      "poll_interval_seconds",
      "Mean wait of this process' idle workers",
      seconds(metrics.avg_poll_interval_ms),
    ),
    one("gauge", "workers", "Workers at work in all processes", metrics.worker_count),
    {
      name: "stale_entries",
      type: "gauge",
      help: "Entries that cleanup would sweep",
      samples: labelled("kind", {
        applied: metrics.stale_applied_rows,
        dead_letter: metrics.stale_dead_letter_rows,
      }),
    },
    one("gauge", "last_cleanup_timestamp_seconds", "Last cleanup", metrics.last_cleanup_timestamp),
    {
      name: "wal_pages",
      type: "gauge",
      help: "Pages in the write-ahead log",
      samples: wal === null ? [] : labelled("kind", { log: wal.log, checkpointed: wal.checkpointed }),
    },
    one(
      "gauge",
      "clock_skew_seconds",
      "How far the newest row of the log is ahead of the clock",
      metrics.timestamp_skew_secs,
    ),
  ]
}
