import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { logLayer } from "../../app-log.ts"
import type { AuditReport } from "../../audit/AuditService.ts"
import { counted } from "../../domain/words.ts"
import { verifyAuditLog } from "../../operations/audit.ts"
import { type FilesReport, verifyFiles } from "../../operations/audit-files.ts"
import { exportLog, shipLog } from "../../operations/ship.ts"
import { newLineFile } from "../../platform/segment-files.ts"
import { Exit, type ExitCode } from "../exit-codes.ts"
import type { CommandContext } from "../run.ts"
import { runCore, runOn, runWith } from "../run-program.ts"

export interface VerifyAuditArgs {
  readonly head: string | undefined
  readonly file: string | undefined
}

export const verifyAudit = (context: CommandContext<VerifyAuditArgs>) => {
  const { args } = context
  const { head, file } = args
  return file === undefined
    ? runCore(
        context,
        Effect.map(verifyAuditLog(head), (report) => tellReport(context, report)),
      )
    : // Files speak for themselves: no workspace is needed.
      runOn(
        context,
        Layer.empty,
        Effect.map(verifyFiles(file, head), (report) => tellReport(context, report)),
      )
}

const tellReport = (
  { output, args }: CommandContext<VerifyAuditArgs>,
  report: AuditReport | FilesReport,
): ExitCode => {
  const { fault } = report
  const files = "files" in report ? report : null
  if (output.format !== "text")
    output.json({
      schema_version: 1,
      ok: fault === null,
      rows: report.rows,
      archived: report.archived,
      casts: report.casts,
      ...(files && { files: files.files, blobs: files.blobs }),
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
    const blobs = files && files.blobs > 0 ? `, ${counted(files.blobs, "content")}` : ""
    const rows =
      report.archived === 0 ? counted(report.rows, "row") : `rows ${report.archived + 1} to ${report.rows}`
    output.data(`ok: ${rows} and ${counted(report.casts, "cast")}${blobs} are as they were written`)
    if (report.archived > 0)
      output.note(
        `the rows up to ${report.archived} are in the archive: audit verify --file FOLDER checks the whole chain`,
      )
    output.data(`head ${report.head}`)
    if (args.head === undefined)
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
}

export const exportAudit = (context: CommandContext<{ readonly file: string | undefined }>) =>
  runWith(
    context,
    logLayer,
    Effect.gen(function* () {
      const { args, output } = context
      const { file } = args
      if (file === undefined || file === "-") {
        // The export is JSON lines whatever --format says: it is what audit verify --file reads.
        yield* exportLog((line) => output.jsonl(JSON.parse(line)))
        return Exit.ok
      }
      const lines = yield* newLineFile(file)
      const { rows, head } = yield* exportLog(lines.line)
      yield* lines.finish
      if (output.format === "text") output.data(`${counted(rows, "row")} exported to ${file}\nhead ${head}`)
      else output.json({ schema_version: 1, file, rows, head })
      return Exit.ok
    }),
  )

export const shipAudit = (context: CommandContext<{ readonly dir: string }>) =>
  runWith(
    context,
    logLayer,
    Effect.gen(function* () {
      const { args, output } = context
      const shipped = yield* shipLog(args.dir)
      if (output.format !== "text") output.json({ schema_version: 1, ...shipped })
      else {
        for (const { file, from, to } of shipped.segments)
          output.data(`shipped rows ${from} to ${to} in ${file}`)
        if (shipped.segments.length === 0) output.data(`nothing new since row ${shipped.seq}`)
        output.data(`head ${shipped.head}`)
      }
      return Exit.ok
    }),
  )
