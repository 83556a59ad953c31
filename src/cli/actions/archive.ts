import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { archivingLayer } from "../../app-log.ts"
import { type ArchiveReport, type ArchiveReview, archive } from "../../operations/archive.ts"
import { Exit } from "../exit-codes.ts"
import type { CommandContext } from "../run.ts"
import { runWith } from "../run-program.ts"
import type { TimeArg } from "../time.ts"

export interface ArchiveArgs {
  readonly dir: string
  readonly before: TimeArg | undefined
  readonly dryRun: boolean
  readonly yes: boolean
}

export const archiveQueue = (context: CommandContext<ArchiveArgs>) =>
  runWith(
    context,
    archivingLayer,
    Effect.gen(function* () {
      const { args, output } = context
      const { dir: folder, dryRun, yes } = args
      const now = yield* Clock.currentTimeMillis
      const before = args.before?.kind === "ago" ? now - args.before.ms : args.before?.epochMs
      const report = yield* archive(
        { folder, before, dryRun, yes },
        { render: reviewText, color: output.stderr.color },
      )
      if (output.format !== "text") output.json({ schema_version: 1, ...report })
      else for (const line of reportLines(report)) output.data(line)
      if (report.archived && !report.vacuumed)
        output.note(
          "freed pages stay in the file and are used again: a worker is at work, or the disk is full",
        )
      return Exit.ok
    }),
  )

const size = (bytes: number): string =>
  bytes < 1e6 ? `${Math.ceil(bytes / 1e3)} kB` : `${(bytes / 1e6).toFixed(1)} MB`

const counted = (count: number, one: string, many: string): string => `${count} ${count === 1 ? one : many}`

const reviewText = ({ entries, cut, folder, before }: ArchiveReview) => [
  cut === null
    ? `An archive that was begun is finished; nothing else was said last before ${before}.`
    : `${counted(entries, "entry", "entries")} and the log up to row ${cut}, nothing about them since ${before}: kept in ${folder}, taken out of the queue.`,
]

const reportLines = (report: ArchiveReport): readonly string[] => {
  const { entries, cut, before, folder, rows, contents } = report
  const lines =
    report.finished === null
      ? []
      : [`finished the archive up to row ${report.finished} that was begun earlier`]
  if (cut === null) return [...lines, `nothing to archive: nothing was said last before ${before}`]
  if (report.dry_run)
    return [
      ...lines,
      `would archive ${counted(entries, "entry", "entries")}, the log up to row ${cut}, in ${folder}`,
    ]
  if (!report.archived) return [...lines, "nothing was archived"]
  return [
    ...lines,
    `archived ${counted(entries, "entry", "entries")} and the log up to row ${cut}: ${folder}/${report.file}`,
    `sha256 ${report.sha256}`,
    `taken out: ${counted(rows, "row", "rows")} of the log, ${counted(contents, "content", "contents")}; the database went from ${size(report.bytes_before)} to ${size(report.bytes_after)}`,
  ]
}
