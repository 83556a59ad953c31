import { join } from "node:path"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { DEFAULT_POLICY } from "../domain/policy.ts"
import type { QueueMetrics } from "../domain/records.ts"
import type { Millis } from "../domain/time.ts"
import { PolicyStore } from "../platform/PolicyStore.ts"
import { readReport, writeReport } from "../platform/report-file.ts"
import { CurrentWorkspace } from "../platform/Workspace.ts"
import { Exporter } from "../telemetry/Exporter.ts"
import { prometheusText } from "../telemetry/prometheus.ts"
import { TelemetryService } from "../telemetry/TelemetryService.ts"

export const WINDOW_MS: Millis = 60_000
const DAY_MS: Millis = 86_400_000
export const EXECUTION_FOLDER = "execution"
const REPORT = "verification_report.json"
export const CONTEXT_FILE = "next_task_context.json"

/** How long things are kept, as the workspace's policy file says; nothing is decided by it here. */
const kept = Effect.gen(function* () {
  const document = yield* Effect.option((yield* PolicyStore).inspect())
  const { queue } = Option.isSome(document) ? document.value.policy : DEFAULT_POLICY
  return { retentionMs: queue.retention_days * DAY_MS, deadLetterMs: queue.dead_letter_days * DAY_MS }
})

/** `execution/next_task_context.json` is written by others too: whatever does not fit counts as not there. */
const castBuilderIn = (text: string | null): QueueMetrics["cast_builder"] => {
  try {
    const { cast_builder: found } = JSON.parse(text ?? "null") as { cast_builder?: Record<string, unknown> }
    if (typeof found !== "object" || found === null) return null
    const textOf = (value: unknown): string | null => (typeof value === "string" ? value : null)
    const { exported_at } = found
    return {
      request_id: textOf(found["request_id"]),
      status: textOf(found["status"]),
      exported_at: typeof exported_at === "number" ? exported_at : textOf(exported_at),
    }
  } catch {
    return null
  }
}

/** The metrics document. */
export const queueMetrics = Effect.fn("operations.queueMetrics")(function* (windowMs: Millis = WINDOW_MS) {
  const { root } = yield* CurrentWorkspace
  const telemetry = yield* TelemetryService
  return yield* telemetry.metrics({
    windowMs,
    ...(yield* kept),
    castBuilder: castBuilderIn(readReport(join(root, EXECUTION_FOLDER), CONTEXT_FILE)),
  })
})

/** Writes `execution/verification_report.json` whole; a disk that refuses it stops nobody. */
export const recordMetrics = Effect.fn("operations.recordMetrics")(function* () {
  const { root } = yield* CurrentWorkspace
  const metrics = yield* queueMetrics()
  ;(yield* Exporter).measured(metrics)
  yield* Effect.ignore(
    writeReport(join(root, EXECUTION_FOLDER), REPORT, `${JSON.stringify(metrics, null, 2)}\n`),
  )
  return metrics
})

/** The same for Prometheus. */
export const scrape = prometheusText
