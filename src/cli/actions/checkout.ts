import * as Effect from "effect/Effect"
import { checkout } from "../../operations/checkout.ts"
import { styled } from "../../platform/Terminal.ts"
import { Exit } from "../exit-codes.ts"
import type { CommandContext } from "../run.ts"
import { runIntake } from "../run-intake.ts"

export const checkOutEntry = (context: CommandContext<{ readonly id: string; readonly dir: string }>) =>
  runIntake(
    context,
    Effect.gen(function* () {
      const { args, output } = context
      const done = yield* checkout(args.id, args.dir)
      if (output.format !== "text") output.json({ schema_version: 1, ...done })
      else {
        output.data([
          styled("green", "checked out"),
          ` entry ${done.entry_id} (${done.task_id}) into ${done.folder}: tree ${done.tree}`,
        ])
        if (!done.landed)
          output.note(`edit it, then: hyperion amend ${done.entry_id} --from ${JSON.stringify(args.dir)}`)
      }
      return Exit.ok
    }),
  )
