import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { type Reverted, type RevertTarget, revert } from "../../operations/revert.ts"
import { type Piece, styled } from "../../platform/Terminal.ts"
import { Exit, type ExitCode } from "../exit-codes.ts"
import type { CommandContext } from "../run.ts"
import { runIntake } from "../run-intake.ts"
import type { TimeArg } from "../time.ts"

export interface RevertArgs {
  readonly id: string | undefined
  readonly agent: string | undefined
  readonly since: TimeArg | undefined
  readonly dryRun: boolean
}

export const revertLandings = (context: CommandContext<RevertArgs>) =>
  runIntake(
    context,
    Effect.gen(function* () {
      const { args, output } = context
      const now = yield* Clock.currentTimeMillis
      const report = yield* revert(targetOf(args, now), { dryRun: args.dryRun })
      if (output.format === "json") output.json({ schema_version: 1, dry_run: args.dryRun, ...report })
      else if (output.format === "jsonl") for (const one of report.reverted) output.jsonl(one)
      else {
        for (const one of report.reverted) output.data(revertedText(one))
        for (const { entry_id, reason } of report.skipped) output.note(`entry ${entry_id} is left: ${reason}`)
        if (!args.dryRun) output.note("next: hyperion worker --drain")
      }
      const rejected = report.reverted.some(({ submission }) => submission.outcome === "rejected")
      return rejected ? Exit.rejected : (Exit.ok as ExitCode)
    }),
  )

const targetOf = ({ id, agent, since }: RevertArgs, now: number): RevertTarget => {
  // The command refuses every other combination.
  if (id !== undefined) return { kind: "id", id }
  const from = since!.kind === "instant" ? since!.epochMs : now - since!.ms
  return { kind: "agent", agent: agent!, since: from }
}

const revertedText = ({ entry_id, changes, submission }: Reverted): readonly Piece[] => [
  styled(submission.outcome === "rejected" ? "red" : "green", submission.outcome),
  ` revert of entry ${entry_id}`,
  submission.entry_id === null ? "" : ` as entry ${submission.entry_id} (${submission.task_id})`,
  ...changes.map(({ path, operation }) => `\n  ${operation.padEnd(7)}${path}`),
  ...submission.violations.map(({ code, message, hint }) => `\n  ${message} [${code}]; hint: ${hint}`),
]
