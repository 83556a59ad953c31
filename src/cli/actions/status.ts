import * as Effect from "effect/Effect"
import { statusLayer } from "../../app-status.ts"
import { type StatusReport, status } from "../../operations/status.ts"
import { visibleLine } from "../../platform/sanitize.ts"
import { type Piece, type Style, styled } from "../../platform/Terminal.ts"
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
      else output.data(statusText(report))
      return Exit.ok
    }),
  )

const LONGEST = 160

const short = (text: string): string => {
  const line = visibleLine(text)
  return line.length > LONGEST ? `${line.slice(0, LONGEST)}…` : line
}

const row = (name: string, ...value: Piece[]): readonly Piece[] => [`${name.padEnd(9)} `, ...value, "\n"]

/** Facts first, in four lines; then what needs a person, each with its next command. */
export const statusText = (report: StatusReport): readonly Piece[] => {
  const needs = needLines(report)
  return [
    ...row("workspace", styled("bold", report.workspace.root)),
    ...row("branch", branchText(report)),
    ...(report.policy === null ? [] : row("policy", policyText(report.policy))),
    ...row("queue", queueText(report.counts)),
    ...(report.last_landing === null ? [] : row("landed", landingText(report.last_landing))),
    ...report.findings.flatMap(({ level, message, next }) =>
      row(level, styled(LEVELS[level], short(message)), ...(next === null ? [] : [`; ${short(next)}`])),
    ),
    ...(needs.length === 0
      ? [styled("green", "nothing needs you")]
      : ["\n", styled("bold", "needs you"), "\n"]),
    ...needs,
  ]
}

const LEVELS: Record<StatusReport["findings"][number]["level"], Style> = {
  error: "red",
  warning: "yellow",
  info: "dim",
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

const policyText = (policy: NonNullable<StatusReport["policy"]>): string =>
  [
    { base: "of the base commit", workspace: "of the workspace, trusted", default: "none, defaults" }[
      policy.source
    ],
    counted(policy.guards, "guard"),
    `${counted(policy.required, "approval")} (${policy.presence})`,
    `sandbox ${policy.sandbox}`,
  ].join(", ")

const counted = (count: number, what: string): string => `${count} ${what}${count === 1 ? "" : "s"}`

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

const queueText = (counts: StatusReport["counts"]): string => {
  const some = STATE_WORDS.filter(([state]) => counts[state] > 0)
  return some.length === 0 ? "empty" : some.map(([state, word]) => `${counts[state]} ${word}`).join(", ")
}

const landingText = ({ entry_id, task_id, commit, at }: NonNullable<StatusReport["last_landing"]>): string =>
  `entry ${entry_id}${task_id === null ? "" : ` (${task_id})`}${commit === null ? "" : ` as ${commit.slice(0, 12)}`} at ${at.slice(0, 19).replace("T", " ")}`

const needLines = ({ needs, counts }: StatusReport): readonly Piece[] => {
  const line = (kind: string, style: Style, what: string, message: string, next: string): Piece[] => [
    "  ",
    styled(style, kind.padEnd(9)),
    ` ${short(what)}: ${short(message)}\n${" ".repeat(12)}`,
    styled("bold", next),
    "\n",
  ]
  const entry = ({ entry_id, task_id }: { readonly entry_id: number; readonly task_id: string }) =>
    `entry ${entry_id} (${task_id})`
  const unseen = counts.awaiting_approval - needs.approvals.length
  return [
    ...needs.approvals.flatMap((need) =>
      line(
        "approval",
        "yellow",
        `${entry(need)} by ${need.agent}, ${counted(need.paths, "path")}, digest ${need.digest.slice(0, 12)}`,
        need.message,
        need.next,
      ),
    ),
    ...(unseen > 0 ? [`  and ${unseen} more: hyperion list --state awaiting_approval\n`] : []),
    ...needs.clarifications.flatMap((need) =>
      line(
        "question",
        "yellow",
        `request ${need.request_id}`,
        need.questions.join(" ") || need.summary,
        need.next,
      ),
    ),
    ...needs.conflicts.flatMap((need) =>
      line("conflict", "red", `${entry(need)} by ${need.agent}`, need.message, need.next),
    ),
    ...needs.dead_letters.flatMap((need) =>
      line("failed", "red", `${entry(need)}, ${need.reason_class}`, need.message, need.next),
    ),
    ...needs.held.flatMap((need) => line("held", "yellow", entry(need), need.message, need.next)),
    ...needs.blocked.flatMap((need) => line("blocked", "yellow", entry(need), need.message, need.next)),
    ...needs.expired_leases.flatMap((need) =>
      line("stalled", "yellow", entry(need), need.message, need.next),
    ),
  ]
}
