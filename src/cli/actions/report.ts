import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { counted } from "../../domain/words.ts"
import { type Report, report, type ToldFailure, type ToldLanding } from "../../operations/report.ts"
import { visibleLine } from "../../platform/sanitize.ts"
import { Exit } from "../exit-codes.ts"
import type { CommandContext } from "../run.ts"
import { runCore } from "../run-program.ts"
import type { TimeArg } from "../time.ts"
import { reportText } from "./report-text.ts"

export interface ReportArgs {
  readonly since: TimeArg | undefined
  readonly limit: number | undefined
  readonly format: string | undefined
}

const DAY_MS = 86_400_000
const ROWS = 1_000

export const showReport = (context: CommandContext<ReportArgs>) =>
  runCore(
    context,
    Effect.gen(function* () {
      const { args, output } = context
      const now = yield* Clock.currentTimeMillis
      const { since } = args
      const from = since === undefined ? now - DAY_MS : since.kind === "ago" ? now - since.ms : since.epochMs
      const made = yield* report(from, args.limit ?? ROWS)
      if (output.format === "json") output.json({ schema_version: 1, ...made })
      else if (output.format === "jsonl") output.jsonl({ schema_version: 1, ...made })
      else if (args.format === "text" || (args.format === undefined && output.stdout.isTTY))
        output.data(reportText(made, output.stdout.columns))
      else output.data(markdown(made))
      return Exit.ok
    }),
  )

/** Agents' words inside a table: no markup, no links, no new cell or line. */
const plain = (text: string): string =>
  visibleLine(text)
    .replace(/[\\`*_[\]<>#|~!]/g, (mark) => `\\${mark}`)
    .replace(/:\/\//g, ":&#47;&#47;")

const row = (...cells: readonly string[]): string => `| ${cells.join(" | ")} |`
const table = (head: readonly string[], rows: readonly string[]): readonly string[] => [
  row(...head),
  row(...head.map(() => "---")),
  ...rows,
]

const clock = (timestamp: string): string => timestamp.slice(0, 16).replace("T", " ")

const span = (ms: number): string => {
  if (ms < 1_000) return `${ms} ms`
  if (ms < 60_000) return `${(ms / 1_000).toFixed(1)} s`
  if (ms < 3_600_000) return `${Math.round(ms / 60_000)} min`
  return `${(ms / 3_600_000).toFixed(1)} h`
}

const landingRow = (landing: ToldLanding): string =>
  row(
    String(landing.entry_id),
    clock(landing.at),
    plain(landing.intent),
    plain(landing.agent),
    String(landing.paths.length),
    landing.guards.length === 0
      ? "none"
      : landing.guards.map(({ id, result }) => `${plain(id)} ${result}`).join(", "),
    landing.approvers.map(plain).join(", ") || "none",
    landing.commit?.slice(0, 12) ?? "",
    span(landing.took_ms),
    landing.flags.map(plain).join(", "),
  )

const failureRow = (failure: ToldFailure): string =>
  row(
    String(failure.entry_id),
    clock(failure.at),
    failure.outcome,
    plain(failure.intent),
    plain(failure.agent),
    `${plain(failure.reason)} (${plain(failure.code)})`,
  )

const section = (title: string, lines: readonly string[], none: string): readonly string[] => [
  `## ${title}`,
  "",
  ...(lines.length <= 2 ? [none] : lines),
  "",
]

export const markdown = (made: Report): string => {
  const { totals } = made
  const runs = Object.entries(totals.guard_runs)
    .filter(([, count]) => count > 0)
    .map(([result, count]) => `${count} ${result}`)
  return [
    `# ${clock(made.since)} to ${clock(made.until)} UTC`,
    "",
    `- ${totals.landed} landed, ${totals.failed} failed, ${totals.conflicts} in conflict, ${totals.cancelled} cancelled`,
    `- ${totals.enqueued} enqueued, ${counted(totals.duplicates, "duplicate")} refused, ${totals.requeued} requeued`,
    `- ${counted(totals.approvals, "approval")}, ${counted(totals.rejections, "rejection")}`,
    `- guard runs of landings: ${runs.join(", ") || "none"}`,
    `- from enqueued to landed: ${totals.mean_ms_to_land === null ? "nothing landed" : `${span(totals.mean_ms_to_land)} on average`}`,
    "",
    ...section(
      "By agent",
      table(
        ["Agent", "Landed", "Failed", "Conflicts"],
        Object.entries(made.by_agent).map(([agent, { landed, failed, conflicts }]) =>
          row(plain(agent), String(landed), String(failed), String(conflicts)),
        ),
      ),
      "Nothing was decided.",
    ),
    ...section(
      "Landed",
      table(
        ["Entry", "At", "Intent", "Agent", "Files", "Guards", "Approved by", "Commit", "Took", "Flags"],
        made.landed.map(landingRow),
      ),
      "Nothing landed.",
    ),
    ...section(
      "Not landed",
      table(["Entry", "At", "Outcome", "Intent", "Agent", "Why"], made.not_landed.map(failureRow)),
      "Nothing failed, came into conflict or was cancelled.",
    ),
    ...section(
      "Decisions",
      table(
        ["At", "Decision", "By", "Attested", "About"],
        made.decisions.map((one) =>
          row(
            clock(one.at),
            one.decision,
            plain(one.by),
            one.attested ? "yes" : "no",
            one.entry_id === null ? `request ${plain(one.request_id ?? "")}` : `entry ${one.entry_id}`,
          ),
        ),
      ),
      "Nobody had to decide.",
    ),
    ...(made.archived_until === undefined
      ? []
      : [`What happened up to row ${made.archived_until} of the log is in the archive.`, ""]),
    ...(made.complete || made.archived_until !== undefined
      ? []
      : ["Lists were cut; --limit N shows more.", ""]),
  ].join("\n")
}
