import * as Effect from "effect/Effect"
import { cancel, requeueEntries } from "../../operations/withdraw.ts"
import type { OutputWriter } from "../../platform/stdio.ts"
import { Exit } from "../exit-codes.ts"
import type { CommandContext } from "../run.ts"
import { runCore } from "../run-program.ts"

const told = (output: OutputWriter, verb: string, key: string, ids: readonly number[]): void => {
  if (output.format === "text")
    output.data(`${verb} ${ids.length === 1 ? "entry" : "entries"} ${ids.join(", ")}`)
  else output.json({ schema_version: 1, [key]: ids })
}

export const cancelEntries = (
  context: CommandContext<{ readonly ids: readonly string[]; readonly reason: string | undefined }>,
) =>
  runCore(
    context,
    Effect.gen(function* () {
      const { args, output } = context
      const reason = args.reason ?? "withdrawn by the operator"
      const cancelled = yield* Effect.forEach(args.ids, (id) => cancel(id, reason))
      told(output, "cancelled", "cancelled", [...new Set(cancelled.flat())])
      return Exit.ok
    }),
  )

export const requeue = (context: CommandContext<{ readonly id: string; readonly reason: string }>) =>
  runCore(
    context,
    Effect.gen(function* () {
      const { args, output } = context
      const ids = yield* requeueEntries(args.id, args.reason)
      told(output, "requeued", "requeued", ids)
      return Exit.ok
    }),
  )
