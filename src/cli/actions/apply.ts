import * as Effect from "effect/Effect"
import { runtimeLayer } from "../../app-runtime.ts"
import { type Applied, applyNow, type Preview, previewApply } from "../../operations/apply.ts"
import { readAll } from "../../operations/read-documents.ts"
import { reportEntry, reportRun } from "../../operations/report-files.ts"
import { visibleLine } from "../../platform/sanitize.ts"
import { type Piece, styled } from "../../platform/Terminal.ts"
import { Exit, type ExitCode } from "../exit-codes.ts"
import type { CommandContext } from "../run.ts"
import { runWith } from "../run-program.ts"
import { told } from "./submit.ts"

export interface ApplyArgs {
  readonly file: string
  readonly runChecks: boolean
  readonly dryRun: boolean
}

export const apply = (context: CommandContext<ApplyArgs>) =>
  runWith(
    context,
    runtimeLayer,
    Effect.gen(function* () {
      const { args, output } = context
      const [document, second] = yield* readAll([args.file])
      if (document === undefined || second !== undefined)
        return output.error(
          {
            code: "not_one",
            message: `apply takes one change request; ${args.file} holds ${document === undefined ? "none" : "several"}`,
            hint: `hyperion enqueue ${args.file}, then hyperion worker --drain`,
          },
          Exit.usage,
        ) as ExitCode
      if (args.dryRun) {
        const { submission, preview } = yield* previewApply(document)
        if (preview === null) return told(output, [submission!])
        if (output.format === "text") output.data(previewText(preview))
        else output.json({ schema_version: 1, ...preview })
        return preview.fits ? Exit.ok : preview.refusal?.code === "conflict" ? Exit.conflict : Exit.failed
      }
      const applied = yield* applyNow(document, { runChecks: args.runChecks }).pipe(
        Effect.tap(({ submission }) => reportEntry(submission.entry_id)),
        Effect.onError(() => reportRun(null)),
      )
      if (applied.submission.outcome === "rejected") return told(output, [applied.submission])
      if (output.format === "text") output.data(appliedText(applied))
      else
        output.json({
          schema_version: 1,
          entry_id: applied.submission.entry_id,
          task_id: applied.submission.task_id,
          state: applied.state,
          happening: applied.happening,
        })
      return exitOf(applied)
    }),
  )

const exitOf = ({ state, happening }: Applied): ExitCode => {
  switch (state) {
    case "applied":
      return Exit.ok
    case "awaiting_approval":
      return Exit.approvalMissing
    case "conflict":
      return Exit.conflict
    case "failed":
      return happening?.code === "guard_failed" ? Exit.guardFailed : Exit.failed
    case "verified":
    case "scheduled":
    case "pending":
    case "in_progress":
    case "committing":
      return Exit.tryLater
    default:
      return Exit.failed
  }
}

const appliedText = ({ submission, happening, state }: Applied): readonly Piece[] => {
  const entry = `entry ${submission.entry_id} (${submission.task_id})`
  if (happening === null) return [`${entry} is ${state} already`]
  return [
    styled(state === "applied" ? "green" : "yellow", String(state)),
    ` ${entry}: ${visibleLine(happening.message)}`,
    ...(state === "applied" ? [] : [`\n  next: hyperion why ${submission.entry_id}`]),
  ]
}

const previewText = (preview: Preview): readonly Piece[] => {
  if (!preview.fits)
    return [
      styled("red", "does not fit"),
      ` ${preview.task_id}: ${preview.refusal?.message ?? ""}; hint: ${preview.refusal?.hint ?? ""}`,
    ]
  const effects = preview.verification?.effects ?? []
  return [
    styled("green", "fits"),
    ` ${preview.task_id} on ${preview.base?.slice(0, 12) ?? "the unborn branch"}; the tree would be ${preview.result_tree}`,
    ...effects.map((effect) => `\n  ${effect.operation.padEnd(7)}${effect.path}`),
    ...(preview.verification?.flags ?? []).map((flag) => `\n  flag   ${flag}`),
    ...(preview.approval_missing === "" ? [] : [`\n  still missing: ${preview.approval_missing}`]),
    "\n  guards were not run; nothing was written",
  ]
}
