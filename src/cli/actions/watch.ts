import { resolve } from "node:path"
import * as Effect from "effect/Effect"
import { type Ingested, watchFolder } from "../../operations/watch.ts"
import { visibleLine } from "../../platform/sanitize.ts"
import type { OutputWriter } from "../../platform/stdio.ts"
import { styled } from "../../platform/Terminal.ts"
import { Exit, type ExitCode } from "../exit-codes.ts"
import type { CommandContext } from "../run.ts"
import { runIntake } from "../run-intake.ts"
import { summaryOf } from "./submit.ts"

export interface WatchArgs {
  readonly dir: string
  readonly once: boolean
  readonly supersede: boolean
}

export const watch = (context: CommandContext<WatchArgs>) =>
  runIntake(
    context,
    Effect.gen(function* () {
      const { args, output } = context
      const { once, supersede } = args
      const all: Ingested[] = []
      let trouble = ""
      if (!once) output.note(`watching ${visibleLine(args.dir)}: Ctrl-C ends it`)
      const summary = yield* watchFolder(
        { folder: resolve(args.dir), once, supersede },
        {
          ingested: (file) =>
            Effect.sync(() => {
              trouble = ""
              if (output.format === "json") all.push(file)
              else if (output.format === "jsonl") output.jsonl(file)
              else tell(output, file)
            }),
          troubled: ({ message }) =>
            Effect.sync(() => {
              // Tried again every few seconds; said once.
              if (message !== trouble)
                output.note([styled("yellow", "waiting"), `: ${visibleLine(message)}; it is tried again`])
              trouble = message
            }),
        },
      )
      if (output.format === "json") output.json({ schema_version: 1, ...summary, files: all })
      else if (summary.left.length > 0)
        output.note(`not whole yet, left where they are: ${visibleLine(summary.left.join(", "))}`)
      return summary.rejected > 0 ? Exit.rejected : (Exit.ok as ExitCode)
    }),
  )

const tell = (output: OutputWriter, { file, moved_to, results }: Ingested): void => {
  const { queued, duplicate, rejected } = summaryOf(results)
  const counts = Object.entries({ queued, duplicate, rejected }).filter(([, count]) => count > 0)
  const what = counts.map(([word, count]) => `${count} ${word}`).join(", ") || "no documents"
  const first = results.find(({ outcome }) => outcome === "rejected")?.violations[0]
  output.data([
    styled(rejected > 0 ? "red" : "green", visibleLine(file)),
    `: ${what}`,
    ...(moved_to === null ? [] : [`; now ${visibleLine(moved_to)}`]),
    ...(first === undefined ? [] : [`: ${visibleLine(first.message)} [${first.code}]`]),
  ])
}
