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
  return decided + failed === 0
    ? `nothing to sweep: nothing was decided before ${report.decided_before}, or failed before ${report.failed_before}`
    : `${verb} ${decided} decided and ${failed} failed entries, ${size} of payloads; log, receipts and contents stay`
}
