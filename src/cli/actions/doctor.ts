import * as Effect from "effect/Effect"
import { doctorLayer } from "../../app-doctor.ts"
import { type DoctorReport, doctor } from "../../operations/doctor.ts"
import type { Diagnosis } from "../../operations/doctor-finding.ts"
import { visibleLine } from "../../platform/sanitize.ts"
import { type Piece, type Style, styled } from "../../platform/Terminal.ts"
import { Exit, type ExitCode } from "../exit-codes.ts"
import type { CommandContext } from "../run.ts"
import { runWith } from "../run-program.ts"

export interface DoctorArgs {
  readonly full: boolean
  readonly fix: boolean
}

export const examine = (context: CommandContext<DoctorArgs>) =>
  runWith(
    context,
    doctorLayer,
    Effect.map(doctor(context.args), (report): ExitCode => {
      const { output } = context
      if (output.format === "json") output.json({ schema_version: 1, ...report })
      else if (output.format === "jsonl") for (const finding of report.findings) output.jsonl(finding)
      else output.data(reportText(report))
      return report.ok ? Exit.ok : Exit.failed
    }),
  )

const STYLES: Readonly<Record<Diagnosis["severity"], Style>> = {
  ok: "green",
  info: "dim",
  warn: "yellow",
  error: "red",
}

/** As wide as the longest id of the usual ones. */
const ID = 18
const INDENT = " ".repeat(6 + ID + 1)

/** One finding: what, and for one that is not well, what it means and what mends it. */
export const findingText = ({ id, severity, message, meaning, mend }: Diagnosis): readonly Piece[] => [
  styled(STYLES[severity], severity.padEnd(6)),
  `${id.padEnd(ID)} ${visibleLine(message)}\n`,
  ...(severity === "ok" ? [] : [`${INDENT}${visibleLine(meaning)}\n`]),
  ...(mend === null ? [] : [INDENT, styled("cyan", "mend:"), ` ${visibleLine(mend)}\n`]),
]

const reportText = ({ findings, fixed, errors, warnings }: DoctorReport): readonly Piece[] => [
  ...fixed.flatMap((text) => [styled("green", "fixed "), `${visibleLine(text)}\n`]),
  ...findings.flatMap(findingText),
  errors + warnings === 0
    ? styled("green", "all is well")
    : styled(errors > 0 ? "red" : "yellow", `${errors} wrong, ${warnings} to look at`),
]
