import * as Effect from "effect/Effect"
import { decidingLayer } from "../../app-intake.ts"
import { type Approved, type ApproveReport, approve } from "../../operations/approve.ts"
import { reject } from "../../operations/reject.ts"
import { visibleLine } from "../../platform/sanitize.ts"
import type { OutputWriter } from "../../platform/stdio.ts"
import { type Piece, styled } from "../../platform/Terminal.ts"
import { Exit } from "../exit-codes.ts"
import type { CommandContext } from "../run.ts"
import { runWith } from "../run-program.ts"
import { reviewText } from "./review-text.ts"

export interface ApproveArgs {
  readonly ids: readonly string[]
  readonly as: string | undefined
  readonly note: string | undefined
  readonly acknowledge: readonly string[]
  readonly yes: boolean
}

export const approveEntries = (context: CommandContext<ApproveArgs>) =>
  runWith(
    context,
    decidingLayer,
    Effect.gen(function* () {
      const { args, output } = context
      const report = yield* approve(args, {
        render: reviewText,
        color: output.stderr.color,
        note: output.note,
      })
      if (output.format === "json") output.json({ schema_version: 1, ...report })
      else if (output.format === "jsonl") for (const one of report.approved) output.jsonl(one)
      else tellApproved(output, report)
      return Exit.ok
    }),
  )

const tellApproved = (output: OutputWriter, { approved, approver, presence }: ApproveReport): void => {
  for (const one of approved) output.data(approvedText(one, approver))
  if (presence === "none")
    output.note("nobody was asked: the policy says unattended, and the receipt will too")
  if (approved.some((one) => one.recorded === "approval" && one.missing === ""))
    output.note("next: hyperion worker --drain")
}

const approvedText = (one: Approved, approver: string): readonly Piece[] => [
  styled("green", one.recorded === "intent" ? "noted" : "approved"),
  ` entry ${one.entry_id} (${one.task_id}) by ${visibleLine(approver)}: `,
  one.missing !== ""
    ? `still missing: ${visibleLine(one.missing)}`
    : one.recorded === "intent"
      ? "it counts when the guards are green and the change applies exactly as written"
      : "it can land",
]

export const rejectEntries = (
  context: CommandContext<{ readonly ids: readonly string[]; readonly note: string }>,
) =>
  runWith(
    context,
    decidingLayer,
    Effect.gen(function* () {
      const { args, output } = context
      const report = yield* reject(args.ids, args.note)
      if (output.format !== "text") output.json({ schema_version: 1, ...report })
      else
        output.data(
          `rejected ${report.rejected.length === 1 ? "entry" : "entries"} ${report.rejected.join(", ")}`,
        )
      for (const { entry_id, state } of report.too_late)
        output.note(`entry ${entry_id} is ${state}: too late to reject`)
      return Exit.ok
    }),
  )
