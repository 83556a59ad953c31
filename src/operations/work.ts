import * as Effect from "effect/Effect"
import type { QueueMetrics } from "../domain/records.ts"
import { Operator } from "../platform/Operator.ts"
import { freezeOf, freezeText } from "../queue/freeze.ts"
import { QueueService } from "../queue/QueueService.ts"
import { TelemetryService } from "../telemetry/TelemetryService.ts"
import { runWorker, type WorkerOptions } from "../worker/run.ts"
import { automaticCleanup } from "./cleanup.ts"
import { withHooks } from "./events-hooks.ts"
import { queueMetrics, recordMetrics } from "./metrics.ts"
import { recordModifications } from "./modifications.ts"
import { reportRun } from "./report-files.ts"

const PROGRESS_MS = 5_000

/** Runs a worker in this process under a name of its own. */
const run = Effect.fn("operations.work")(function* (options: Omit<WorkerOptions, "worker" | "limit">) {
  const { processId } = yield* Operator
  const telemetry = yield* TelemetryService
  // Runs last: by then this worker is no longer counted.
  yield* Effect.addFinalizer(() => reportRun(null))
  yield* automaticCleanup
  if (options.mode === "forever") yield* recordModifications
  return yield* withHooks(
    runWorker({
      ...options,
      worker: `worker-${processId}`,
      waited: telemetry.polled,
      ...(options.mode === "once" && { limit: 1 }),
    }),
  )
}, Effect.scoped)

/** Why no landing begins, as one line; null while they do. */
const frozen = Effect.flatMap(QueueService, (queue) =>
  queue.read((db) => {
    const freeze = freezeOf(db)
    return freeze && freezeText(freeze)
  }),
)

const shown = (value: number | null, unit: string): string => (value === null ? "n/a" : `${value}${unit}`)

/** Entries in a worker's hands. */
const leased = ({ state_counts: counts }: QueueMetrics): number =>
  (counts["in_progress"] ?? 0) + (counts["committing"] ?? 0)

/** One line of where the queue stands. `leasedBefore`: entries that were leased at the line before. */
export const progressLine = (metrics: QueueMetrics, leasedBefore: number): string => {
  const { pending, in_progress, applied, failed } = metrics.status_counts
  const delta = leased(metrics) - leasedBefore
  return [
    `[progress] pending=${pending} in_progress=${in_progress} applied=${applied} failed=${failed}`,
    `queue_depth=${metrics.queue_depth}`,
    `throughput=${metrics.throughput_per_minute}/min`,
    `avg_dequeue_latency=${shown(metrics.avg_dequeue_latency_ms, "ms")}`,
    `avg_apply_duration=${shown(metrics.avg_apply_duration_ms, "ms")}`,
    `avg_poll_interval=${shown(metrics.avg_poll_interval_ms, "ms")}`,
    `lease_contention_events=${metrics.lease_contention_events}`,
    `lease_delta=${delta > 0 ? `+${delta}` : delta}`,
  ].join(" ")
}

/** Every five seconds the metrics, as a line and as a file, until interrupted; a freeze as soon as it is seen. */
const progress = (write: (line: string) => void) =>
  Effect.gen(function* () {
    let before = leased(yield* queueMetrics())
    let told: string | null = null
    for (;;) {
      const now = yield* frozen
      if (now !== told) write(now === null ? "[thawed] landings begin again" : `[frozen] ${now}`)
      told = now
      yield* Effect.sleep(PROGRESS_MS)
      const metrics = yield* recordMetrics()
      write(progressLine(metrics, before))
      before = leased(metrics)
    }
  })

/** What is still in the queue, for the last line of a run: `2 awaiting approval`. Empty when nothing is. */
const standing = Effect.map(
  Effect.flatMap(QueueService, (queue) => queue.counts()),
  (counts) =>
    (["scheduled", "pending", "in_progress", "verified", "awaiting_approval", "committing"] as const)
      .filter((state) => counts[state] > 0)
      .map((state) => `${counts[state]} ${state.replaceAll("_", " ")}`),
)

export const work = { run, progress, standing, frozen }
