import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { runtimeLayer } from "../../app-runtime.ts"
import { quickDoctor } from "../../operations/doctor.ts"
import { work } from "../../operations/work.ts"
import { visibleLine } from "../../platform/sanitize.ts"
import { type Piece, type Style, styled } from "../../platform/Terminal.ts"
import type { Happening } from "../../worker/report.ts"
import type { WorkerSummary } from "../../worker/run.ts"
import { Exit, type ExitCode } from "../exit-codes.ts"
import type { CommandContext } from "../run.ts"
import { runWith } from "../run-program.ts"
import { findingText } from "./doctor.ts"

export interface WorkerArgs {
  readonly once: boolean
  readonly drain: boolean
  readonly runChecks: boolean
  readonly maxAttempts: number | undefined
  readonly failOnError: boolean
}

const STYLE: Readonly<Record<Happening["outcome"], Style>> = {
  landed: "green",
  waiting: "yellow",
  blocked: "yellow",
  retry: "yellow",
  conflict: "red",
  failed: "red",
}

export const worker = (context: CommandContext<WorkerArgs>) =>
  runWith(
    context,
    runtimeLayer,
    Effect.gen(function* () {
      const { args, output } = context
      for (const finding of yield* quickDoctor()) output.note(findingText(finding))
      const progress = yield* Effect.fork(work.progress((line) => output.note(line)))
      const summary = yield* work.run({
        mode: args.once ? "once" : args.drain ? "drain" : "forever",
        runChecks: args.runChecks,
        maxAttempts: args.maxAttempts,
        tell: (happening) =>
          Effect.sync(() => {
            if (output.format === "jsonl") output.jsonl(happening)
            else if (output.format === "text") output.data(line(happening))
          }),
      })
      yield* Fiber.interrupt(progress)
      if (output.format === "json")
        output.json({
          schema_version: 1,
          summary: counts(summary),
          entries: summary.entries,
          frozen: yield* work.frozen,
        })
      else if (output.format === "text")
        output.data(closing(summary, yield* work.standing, yield* work.frozen))
      return args.failOnError && summary.failed + summary.conflict > 0 ? Exit.failed : (Exit.ok as ExitCode)
    }),
  )

const line = ({ outcome, entry_id, task_id, message, code }: Happening): readonly Piece[] => [
  styled(STYLE[outcome], outcome.padEnd(8)),
  ` entry ${entry_id} (${task_id}): ${visibleLine(message)}${code === null ? "" : ` [${code}]`}`,
]

const counts = ({ entries: _, ...numbers }: WorkerSummary) => numbers

const closing = (
  summary: WorkerSummary,
  standing: readonly string[],
  frozen: string | null,
): readonly Piece[] => {
  const parts = Object.entries(counts(summary))
    .filter(([name, n]) => n > 0 || name === "landed")
    .map(([name, n]) => `${n} ${name}`)
  return [
    styled("bold", parts.join(", ")),
    ...(standing.length > 0 ? [`; in the queue: ${standing.join(", ")} (hyperion status)`] : []),
    ...(frozen === null ? [] : ["; ", styled("yellow", visibleLine(frozen)), " (hyperion thaw)"]),
  ]
}
