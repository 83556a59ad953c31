import * as Effect from "effect/Effect"
import { statusLayer } from "../../app-status.ts"
import { etaText } from "../../domain/eta.ts"
import { counted } from "../../domain/words.ts"
import { type StatusReport, status } from "../../operations/status.ts"
import type { NeedKind } from "../../operations/status-needs.ts"
import { visibleLine } from "../../platform/sanitize.ts"
import { type Piece, type Style, styled } from "../../platform/Terminal.ts"
import { fit } from "../../platform/table.ts"
import { Exit } from "../exit-codes.ts"
import type { CommandContext } from "../run.ts"
import { runWith } from "../run-program.ts"

export const showStatus = (context: CommandContext<unknown>) =>
  runWith(
    context,
    statusLayer,
    Effect.gen(function* () {
      const { output } = context
      const report = yield* status()
      if (output.format === "json") output.json({ schema_version: 1, ...report })
      else if (output.format === "jsonl") output.jsonl({ schema_version: 1, ...report })
      else output.data(statusText(report, output.stdout.columns))
      return Exit.ok
    }),
  )

/** A line where nothing says how wide it may be. */
const WIDEST = 160
const NAME = 10

const row = (name: string, ...value: Piece[]): readonly Piece[] => [name.padEnd(NAME), ...value, "\n"]

/** A list that goes on below itself where the line ends. */
const listRow = (name: string, parts: readonly string[], width: number): readonly Piece[] => {
  const lines: string[] = []
  for (const [index, part] of parts.entries()) {
    const item = index < parts.length - 1 ? `${part}, ` : part
    const last = lines.length - 1
    if (last >= 0 && NAME + Bun.stringWidth(lines[last]! + item.trimEnd()) <= width) lines[last] += item
    else lines.push(item)
  }
  return lines.flatMap((line, index) => row(index === 0 ? name : "", line.trimEnd()))
}

/** Facts first, a line each; then what needs a person, the most urgent first, each with its next command. */
export const statusText = (report: StatusReport, columns?: number): readonly Piece[] => {
  const width = Math.max(60, columns ?? WIDEST)
  const value = width - NAME
  const total = Object.values(report.needs.totals).reduce((sum, count) => sum + count, 0)
  return [
    ...row("workspace", styled("bold", fit(visibleLine(report.workspace.root), value))),
    ...row("branch", fit(visibleLine(branchText(report)), value)),
    ...(report.policy === null ? [] : listRow("policy", policyParts(report.policy), width)),
    ...listRow("queue", queueParts(report.counts), width),
    ...row("workers", workersText(report)),
    ...lineRow(report, width),
    ...(report.last_landing === null ? [] : row("landed", fit(landingText(report.last_landing), value))),
    ...report.findings.flatMap((finding) => findingLines(finding, width)),
    ...(total === 0
      ? calmLine(report)
      : ["\n", styled("bold", `needs you: ${total}`), "\n", ...needLines(report, total, width)]),
  ]
}

/** Not where an error, a freeze or an absent worker stops what is there. */
const calmLine = ({ findings, freeze, workers, line }: StatusReport): readonly Piece[] =>
  freeze !== null ||
  findings.some(({ level }) => level === "error") ||
  (workers.length === 0 && line.ready > 0)
    ? []
    : [styled("green", "nothing needs you")]

const LEVELS: Record<StatusReport["findings"][number]["level"], Style> = {
  error: "red",
  warning: "yellow",
  info: "dim",
}

/** The command on a line of its own where one line is too short for both. */
const findingLines = (
  { level, message, next }: StatusReport["findings"][number],
  width: number,
): readonly Piece[] => {
  const text = styled(LEVELS[level], visibleLine(message))
  if (next === null) return row(level, text)
  const fits = NAME + Bun.stringWidth(visibleLine(message)) + 2 + Bun.stringWidth(next) <= width
  return fits ? row(level, text, "; ", next) : [...row(level, text), ...row("", next)]
}

const branchText = ({ landing, head }: StatusReport): string => {
  const name = (ref: string | null) => ref?.replace(/^refs\/heads\//, "") ?? "a detached HEAD"
  const at = (commit: string | null) => (commit === null ? "without a commit" : `at ${commit.slice(0, 12)}`)
  if (landing === null)
    return head === null ? "unknown" : `${name(head.ref)} ${at(head.commit)} is checked out`
  const where = landing.checked_out
    ? "checked out"
    : `not checked out; HEAD is ${head === null ? "unknown" : name(head.ref)}`
  return `${name(landing.ref)} ${at(landing.commit)} (${where})${landing.mode === "commit" ? "" : `, landing mode ${landing.mode}`}`
}

const policyParts = (policy: NonNullable<StatusReport["policy"]>): readonly string[] => [
  { base: "of the base commit", workspace: "of the workspace, trusted", default: "none, defaults" }[
    policy.source
  ],
  counted(policy.guards, "guard"),
  `${counted(policy.required, "approval")} (${policy.presence})`,
  `sandbox ${policy.sandbox}`,
]

const STATE_WORDS = [
  ["pending", "pending"],
  ["scheduled", "scheduled"],
  ["in_progress", "in progress"],
  ["awaiting_approval", "awaiting approval"],
  ["verified", "verified"],
  ["committing", "landing"],
  ["applied", "applied"],
  ["conflict", "in conflict"],
  ["failed", "failed"],
  ["cancelled", "cancelled"],
] as const

const queueParts = (counts: StatusReport["counts"]): readonly string[] => {
  const some = STATE_WORDS.filter(([state]) => counts[state] > 0)
  return some.length === 0 ? ["empty"] : some.map(([state, word]) => `${counts[state]} ${word}`)
}

const workersText = ({ workers, line: { ready, in_hand } }: StatusReport): string =>
  workers.length > 0
    ? `${workers.length} at work`
    : ready + in_hand === 0
      ? "none at work"
      : "none at work; hyperion worker begins"

/** How much a worker could take now, and when that will have been worked on. */
const lineRow = ({ line: { ready, in_hand, eta } }: StatusReport, width: number): readonly Piece[] => {
  const waiting = counted(ready + in_hand, "entry", "entries")
  if (ready + in_hand === 0) return []
  if (eta === null) return listRow("in line", [waiting, "time unknown: nothing was worked on yet"], width)
  const basis = `by the last ${counted(eta.sample, "entry", "entries")}`
  return listRow("in line", [waiting, `${etaText(eta)} of work`, basis], width)
}

const landingText = ({ entry_id, task_id, commit, at }: NonNullable<StatusReport["last_landing"]>): string =>
  visibleLine(
    `entry ${entry_id}${task_id === null ? "" : ` (${task_id})`}${commit === null ? "" : ` as ${commit.slice(0, 12)}`} at ${at.slice(0, 19).replace("T", " ")}`,
  )

interface Group {
  readonly kind: NeedKind
  readonly title: string
  readonly style: Style
  /** The command that shows the rest. */
  readonly all: string
}

/** The most urgent first: what stands still, then what waits for a word, then what has ended. */
const GROUPS: readonly Group[] = [
  {
    kind: "abandoned",
    title: "stalled",
    style: "red",
    all: "hyperion list --state in_progress --state committing",
  },
  {
    kind: "blocked",
    title: "blocked",
    style: "red",
    all: "hyperion list --state verified --state scheduled",
  },
  { kind: "approvals", title: "approvals", style: "yellow", all: "hyperion list --state awaiting_approval" },
  { kind: "clarifications", title: "questions", style: "yellow", all: "hyperion status --format json" },
  { kind: "conflicts", title: "conflicts", style: "red", all: "hyperion list --state conflict" },
  { kind: "dead_letters", title: "failed", style: "red", all: "hyperion list-dead-letters" },
  { kind: "held", title: "held", style: "yellow", all: "hyperion list --held" },
]

/** With no more than this in all, everything is shown; with more, the first few of each kind. */
const FEW = 12
const FIRST = 3

interface Line {
  readonly id: string
  readonly task: string
  readonly message: string
  readonly next: string
}

const linesOf = ({ needs }: StatusReport, kind: NeedKind): readonly Line[] => {
  switch (kind) {
    case "clarifications":
      return needs.clarifications.map(({ request_id, message, next }) => ({
        id: "",
        task: request_id,
        message,
        next,
      }))
    case "approvals":
      return needs.approvals.map((need) =>
        lineOf(need, `${need.message}; ${need.agent}, ${counted(need.paths, "path")}`),
      )
    case "dead_letters":
      return needs.dead_letters.map((need) => lineOf(need, `${need.reason_class}: ${need.message}`))
    default:
      return needs[kind].map((need) => lineOf(need, need.message))
  }
}

const lineOf = (
  need: Omit<Line, "id" | "task"> & { entry_id: number; task_id: string },
  message: string,
) => ({
  id: String(need.entry_id),
  task: need.task_id,
  message,
  next: need.next,
})

const needLines = (report: StatusReport, total: number, width: number): readonly Piece[] =>
  GROUPS.flatMap(({ kind, title, style, all }) => {
    const lines = linesOf(report, kind)
    if (lines.length === 0) return []
    const count = report.needs.totals[kind]
    const shown = lines.slice(0, total <= FEW ? FEW : FIRST)
    return [
      styled(style, `${title} ${count}`),
      ...(count > shown.length ? [styled("dim", `  ${count - shown.length} more: ${all}`)] : []),
      "\n",
      ...needTable(shown, width),
    ]
  })

const MARGIN = 2
/** Less than this of a message says nothing: then it is left out. */
const LEAST = 12

/** The id and the command whole; task and message share what is left. */
const needTable = (lines: readonly Line[], width: number): readonly Piece[] => {
  const widest = (key: keyof Line) =>
    Math.max(...lines.map((line) => Bun.stringWidth(visibleLine(line[key]))))
  const [id, next] = [widest("id"), widest("next")]
  const rest = width - MARGIN - id - next - (id === 0 ? 2 : 3) * MARGIN
  const task = Math.min(widest("task"), Math.max(LEAST, Math.floor(rest / 3)))
  const message = Math.min(widest("message"), rest - task)
  const cell = (text: string, cells: number) => {
    const cut = fit(visibleLine(text), cells)
    return cut.padEnd(cut.length + cells - Bun.stringWidth(cut) + MARGIN)
  }
  return lines.flatMap((line) => [
    " ".repeat(MARGIN),
    id === 0 ? "" : `${line.id.padStart(id)}${" ".repeat(MARGIN)}`,
    cell(line.task, task),
    message < LEAST ? "" : cell(line.message, message),
    styled("bold", line.next),
    "\n",
  ])
}
