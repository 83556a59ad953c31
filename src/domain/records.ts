import * as v from "valibot"

/** A worker event in the original's shape; `created_at` is epoch seconds, as there. */
export const ChangeQueueLog = v.strictObject({
  id: v.number(),
  queue_id: v.nullable(v.number()),
  task_id: v.nullable(v.string()),
  level: v.picklist(["info", "warn", "error"]),
  message: v.string(),
  details: v.optional(v.unknown()),
  created_at: v.number(),
})
export type ChangeQueueLog = v.InferOutput<typeof ChangeQueueLog>

/** A file changed in the workspace, in the original's shape; `source` is `landing` or `foreign`. */
export const FileModification = v.strictObject({
  id: v.number(),
  path: v.string(),
  event: v.string(),
  source: v.string(),
  details: v.optional(v.unknown()),
  created_at: v.number(),
})
export type FileModification = v.InferOutput<typeof FileModification>

/** A lost cause with its reason, in the original's shape plus `reason_class`. */
export const DeadLetterRecord = v.strictObject({
  id: v.number(),
  queue_id: v.number(),
  task_id: v.string(),
  agent: v.string(),
  reason_class: v.picklist(["validation", "apply", "guard", "ttl", "attempts", "infra"]),
  error: v.string(),
  failed_at: v.number(),
})
export type DeadLetterRecord = v.InferOutput<typeof DeadLetterRecord>

const Maybe = v.nullable(v.number())

/**
 * `execution/verification_report.json`: the original's names with their right meaning. Latencies are means in ms over
 * the window; null: there is nothing to take it from.
 */
export const QueueMetrics = v.strictObject({
  schema_version: v.literal(1),
  window_seconds: v.number(),
  status_counts: v.strictObject({
    pending: v.number(),
    in_progress: v.number(),
    applied: v.number(),
    failed: v.number(),
  }),
  state_counts: v.record(v.string(), v.number()),
  queue_depth: v.number(),
  avg_dequeue_latency_ms: Maybe,
  avg_apply_duration_ms: Maybe,
  avg_poll_interval_ms: Maybe,
  cast_latency_ms: Maybe,
  throughput_per_minute: v.number(),
  success_rate: Maybe,
  conflicts: v.number(),
  lease_contention_events: v.number(),
  timestamp: v.number(),
  stale_applied_rows: v.number(),
  stale_dead_letter_rows: v.number(),
  dedup_hits: v.number(),
  last_cleanup_timestamp: Maybe,
  wal_checkpoint_stats: v.nullable(
    v.strictObject({ busy: v.number(), log: v.number(), checkpointed: v.number() }),
  ),
  timestamp_skew_secs: v.number(),
  worker_count: v.number(),
  agent_requests_per_second: v.number(),
  agent_average_complexity: Maybe,
  agent_guard_success_rate: Maybe,
  agent_guard_approval_latency_ms: Maybe,
  guard_results: v.strictObject({ passed: v.number(), failed: v.number(), infra: v.number() }),
  cast_builder: v.nullable(
    v.strictObject({
      request_id: v.nullable(v.string()),
      status: v.nullable(v.string()),
      exported_at: v.nullable(v.union([v.string(), v.number()])),
    }),
  ),
})
export type QueueMetrics = v.InferOutput<typeof QueueMetrics>
