import * as Effect from "effect/Effect"
import { decidingLayer } from "../../app-intake.ts"
import { hold, release } from "../../operations/hold.ts"
import type { OutputWriter } from "../../platform/stdio.ts"
import { Exit } from "../exit-codes.ts"
import type { CommandContext } from "../run.ts"
import { runCore, runWith } from "../run-program.ts"

const told = (output: OutputWriter, verb: string, ids: readonly number[]): void => {
  if (output.format !== "text") output.json({ schema_version: 1, [verb]: ids })
  else output.data(`${verb} ${ids.length === 1 ? "entry" : "entries"} ${ids.join(", ")}`)
}

export const holdEntries = (
  context: CommandContext<{ readonly ids: readonly string[]; readonly reason: string }>,
) =>
  runCore(
    context,
    Effect.gen(function* () {
      const { args, output } = context
      const held = yield* hold(args.ids, args.reason)
      told(output, "held", held)
      if (output.format === "text") output.note(`next: hyperion release ${held.join(" ")}`)
      return Exit.ok
    }),
  )

export const releaseEntries = (context: CommandContext<{ readonly ids: readonly string[] }>) =>
  runWith(
    context,
    decidingLayer,
    Effect.gen(function* () {
      const { args, output } = context
      told(output, "released", yield* release(args.ids))
      return Exit.ok
    }),
  )
