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

/** `execution/verification_report.json`: the original's names with their right meaning. Latencies in ms. */
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
  cast_latency_ms: Maybe,
  throughput_per_minute: Maybe,
  success_rate: Maybe,
  conflicts: v.number(),
  dedup_hits: v.number(),
  timestamp: v.number(),
})
export type QueueMetrics = v.InferOutput<typeof QueueMetrics>
