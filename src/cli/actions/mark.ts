import * as Effect from "effect/Effect"
import { runtimeLayer } from "../../app-runtime.ts"
import { markApplied, markFailed } from "../../operations/mark.ts"
import type { OutputWriter } from "../../platform/stdio.ts"
import { Exit } from "../exit-codes.ts"
import type { CommandContext } from "../run.ts"
import { runCore, runWith } from "../run-program.ts"

const told = (output: OutputWriter, id: number, state: "applied" | "failed"): typeof Exit.ok => {
  if (output.format === "text") output.data(`marked entry ${id} as ${state}`)
  else output.json({ schema_version: 1, entry_id: id, state })
  return Exit.ok
}

export const applied = (context: CommandContext<{ readonly id: string; readonly note: string }>) =>
  runWith(
    context,
    runtimeLayer,
    Effect.map(markApplied(context.args.id, context.args.note), (id) => told(context.output, id, "applied")),
  )

export const failed = (context: CommandContext<{ readonly id: string; readonly error: string }>) =>
  runCore(
    context,
    Effect.map(markFailed(context.args.id, context.args.error), (id) => told(context.output, id, "failed")),
  )
