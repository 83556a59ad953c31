import * as Effect from "effect/Effect"
import { decidingLayer } from "../../app-intake.ts"
import { type CleanupReport, cleanup } from "../../operations/cleanup.ts"
import { Exit } from "../exit-codes.ts"
import type { CommandContext } from "../run.ts"
import { runWith } from "../run-program.ts"

export interface CleanupArgs {
  readonly ttlSeconds: number | undefined
  readonly dryRun: boolean
}

export const cleanUp = (context: CommandContext<CleanupArgs>) =>
  runWith(
    context,
    decidingLayer,
    Effect.map(cleanup(context.args), (report) => {
      const { output } = context
      if (output.format === "text") output.data(cleanupText(report))
      else output.json({ schema_version: 1, ...report })
      return Exit.ok
    }),
  )

const cleanupText = (report: CleanupReport): string => {
  const { decided, failed, payload_bytes: bytes } = report
  const size = bytes < 1e6 ? `${Math.ceil(bytes / 1e3)} kB` : `${(bytes / 1e6).toFixed(1)} MB`
  const verb = report.dry_run ? "would sweep" : "swept"
  const others = [
    [report.guard_results, "remembered guard results"],
    [report.guard_logs, "guard logs"],
    [report.agent_runs, "prompts and answers of agents"],
    [report.checkouts, "checkouts whose folder is gone"],
  ].flatMap(([count, what]) => (count === 0 ? [] : [`${count} ${what}`]))
  if (decided + failed === 0 && others.length === 0)
    return `nothing to sweep: nothing was decided before ${report.decided_before}, or failed before ${report.failed_before}`
  return [
    `${verb} ${decided} decided and ${failed} failed entries, ${size} of payloads; log, receipts and contents stay`,
    ...(others.length === 0 ? [] : [`${verb} ${others.join(", ")}`]),
  ].join("\n")
}
