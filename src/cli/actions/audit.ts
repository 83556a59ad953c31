import * as Effect from "effect/Effect"
import { verifyAuditLog } from "../../operations/audit.ts"
import { Exit } from "../exit-codes.ts"
import type { CommandContext } from "../run.ts"
import { runCore } from "../run-program.ts"

export const verifyAudit = (context: CommandContext<{ readonly head: string | undefined }>) =>
  runCore(
    context,
    Effect.gen(function* () {
      const { args, output } = context
      const report = yield* verifyAuditLog(args.head)
      const { fault } = report
      if (output.format !== "text")
        output.json({
          schema_version: 1,
          ok: fault === null,
          rows: report.rows,
          casts: report.casts,
          seq: report.seq,
          head: report.head,
          fault: fault && {
            code: fault.code,
            seq: fault.seq,
            entry_id: fault.entryId,
            message: fault.message,
          },
        })
      else if (fault === null) {
        output.data(`ok: ${report.rows} rows and ${report.casts} casts are as they were written`)
        output.data(`head ${report.head}`)
        output.note(
          "keep the head outside this machine: audit verify --head HASH then also proves that nothing was cut off",
        )
      }
      if (fault === null) return Exit.ok
      output.error(
        {
          code: `audit_${fault.code}`,
          message: fault.message,
          hint: "compare with a backup; the rows before it can still be trusted",
        },
        Exit.failed,
      )
      return Exit.failed
    }),
  )
