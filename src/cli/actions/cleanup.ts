import * as Effect from "effect/Effect"
import { decidingLayer } from "../../app-intake.ts"
import { counted } from "../../domain/words.ts"
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
  const others = (
    [
      [report.guard_results, "remembered guard result"],
      [report.guard_logs, "guard log"],
      [report.agent_runs, "prompt and answer of an agent", "prompts and answers of agents"],
      [report.checkouts, "checkout whose folder is gone", "checkouts whose folder is gone"],
    ] as const
  ).flatMap(([count, one, many]) => (count === 0 ? [] : [counted(count, one, many)]))
  if (decided + failed === 0 && others.length === 0)
    return `nothing to sweep: nothing was decided before ${report.decided_before}, or failed before ${report.failed_before}`
  return [
    `${verb} ${decided} decided and ${counted(failed, "failed entry", "failed entries")}, ${size} of payloads; log, receipts and contents stay`,
    ...(others.length === 0 ? [] : [`${verb} ${others.join(", ")}`]),
  ].join("\n")
}
