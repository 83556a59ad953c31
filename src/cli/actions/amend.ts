import * as Effect from "effect/Effect"
import { decidingLayer } from "../../app-intake.ts"
import { type Amended, amend } from "../../operations/amend.ts"
import { type Piece, styled } from "../../platform/Terminal.ts"
import { Exit, type ExitCode } from "../exit-codes.ts"
import type { CommandContext } from "../run.ts"
import { runWith } from "../run-program.ts"

export interface AmendArgs {
  readonly id: string
  readonly from: string
  readonly dryRun: boolean
}

export const amendEntry = (context: CommandContext<AmendArgs>) =>
  runWith(
    context,
    decidingLayer,
    Effect.gen(function* () {
      const { args, output } = context
      const amended = yield* amend(args.id, args)
      if (output.format === "text") output.data(amendedText(amended))
      else output.json({ schema_version: 1, dry_run: args.dryRun, ...amended })
      const { outcome } = amended.submission
      if (outcome === "queued" && output.format === "text")
        output.note(
          `approvals of entry ${amended.entry_id} do not count for it; next: hyperion worker --drain`,
        )
      return outcome === "rejected" ? Exit.rejected : (Exit.ok as ExitCode)
    }),
  )

const amendedText = ({ entry_id, changes, submission, co_author }: Amended): readonly Piece[] => [
  styled(submission.outcome === "rejected" ? "red" : "green", submission.outcome),
  ` amendment of entry ${entry_id}`,
  submission.entry_id === null ? "" : ` as entry ${submission.entry_id} (${submission.task_id})`,
  `, co-authored by ${co_author}`,
  ...changes.map(({ path, operation }) => `\n  ${operation.padEnd(7)}${path}`),
  ...submission.violations.map(({ code, message, hint }) => `\n  ${message} [${code}]; hint: ${hint}`),
]
