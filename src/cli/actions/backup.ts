import * as Effect from "effect/Effect"
import { backup } from "../../operations/backup.ts"
import { Exit } from "../exit-codes.ts"
import type { CommandContext } from "../run.ts"
import { runCore } from "../run-program.ts"

export const backUp = (context: CommandContext<{ readonly file: string }>) =>
  runCore(
    context,
    Effect.map(backup(context.args.file), (copy) => {
      const { output } = context
      if (output.format !== "text") output.json({ schema_version: 1, ...copy })
      else {
        const size =
          copy.bytes < 1e6 ? `${Math.ceil(copy.bytes / 1e3)} kB` : `${(copy.bytes / 1e6).toFixed(1)} MB`
        output.data(`${copy.file}: ${size}, checked, the log up to row ${copy.seq}`)
        output.data(`head ${copy.head}`)
        output.note(
          "restore: end all workers, move .hyperion/hyperion.db with its -wal and -shm aside, copy this file there, then hyperion doctor --full",
        )
      }
      return Exit.ok
    }),
  )
