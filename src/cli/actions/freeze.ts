import * as Effect from "effect/Effect"
import { decidingLayer } from "../../app-intake.ts"
import { freeze, thaw } from "../../operations/freeze.ts"
import { visibleLine } from "../../platform/sanitize.ts"
import { Exit } from "../exit-codes.ts"
import type { CommandContext } from "../run.ts"
import { runCore, runWith } from "../run-program.ts"

export const freezeLandings = (context: CommandContext<{ readonly reason: string }>) =>
  runCore(
    context,
    Effect.gen(function* () {
      const { args, output } = context
      const frozen = yield* freeze(args.reason)
      if (output.format !== "text") output.json({ schema_version: 1, frozen: true, ...frozen })
      else {
        output.data(`frozen by ${visibleLine(frozen.by)}: no landing begins`)
        output.note("next: hyperion thaw")
      }
      return Exit.ok
    }),
  )

export const thawLandings = (context: CommandContext<unknown>) =>
  runWith(
    context,
    decidingLayer,
    Effect.gen(function* () {
      const { output } = context
      const { actor, reason } = yield* thaw()
      if (output.format !== "text")
        output.json({ schema_version: 1, frozen: false, was: { by: actor, reason } })
      else output.data(`thawed: it was frozen by ${visibleLine(actor)}: ${visibleLine(reason)}`)
      return Exit.ok
    }),
  )
