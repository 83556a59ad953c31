import { counted, spanText } from "../../domain/words.ts"
import type { Report } from "../../operations/report.ts"
import { type Piece, styled } from "../../platform/Terminal.ts"
import { table } from "../../platform/table.ts"

/** Rows of a list on a screen; the Markdown has all of them. */
const SHOWN = 10

const clock = (timestamp: string): string => timestamp.slice(0, 16).replace("T", " ")

/** A report for a screen: what went wrong first, each list cut to its newest rows and to the width. */
export const reportText = (made: Report, width: number | undefined): readonly Piece[] => {
  const { totals } = made
  const runs = Object.entries(totals.guard_runs).filter(([, count]) => count > 0)
  const list = <T>(
    title: string,
    all: readonly T[],
    head: readonly string[],
    row: (item: T) => readonly string[],
    whole: readonly number[],
  ): readonly Piece[] => {
    if (all.length === 0) return []
    const more = all.length - SHOWN
    return [
      "\n",
      styled("bold", `${title} ${all.length}`),
      ...(more > 0 ? [styled("dim", `  ${more} more: hyperion report --format md`)] : []),
      "\n",
      ...table(all.slice(-SHOWN).map(row), { head, width, whole }),
      "\n",
    ]
  }
  return [
    styled("bold", `${clock(made.since)} to ${clock(made.until)} UTC`),
    "\n",
    `${totals.landed} landed, ${totals.failed} failed, ${totals.conflicts} in conflict, ${totals.cancelled} cancelled\n`,
    `${totals.enqueued} enqueued, ${counted(totals.duplicates, "duplicate")} refused, ${totals.requeued} requeued\n`,
    `${counted(totals.approvals, "approval")}, ${counted(totals.rejections, "rejection")}; guard runs of landings: ${runs.map(([result, count]) => `${count} ${result}`).join(", ") || "none"}\n`,
    totals.mean_ms_to_land === null
      ? "nothing landed\n"
      : `from enqueued to landed: ${spanText(totals.mean_ms_to_land)} on average\n`,
    ...list(
      "not landed",
      made.not_landed,
      ["ENTRY", "AT", "OUTCOME", "AGENT", "INTENT", "WHY"],
      (one) => [String(one.entry_id), clock(one.at), one.outcome, one.agent, one.intent, one.reason],
      [0, 1, 2],
    ),
    ...list(
      "landed",
      made.landed,
      ["ENTRY", "AT", "TOOK", "AS", "AGENT", "INTENT", "FLAGS"],
      (one) => [
        String(one.entry_id),
        clock(one.at),
        spanText(one.took_ms),
        one.commit?.slice(0, 7) ?? "",
        one.agent,
        one.intent,
        one.flags.join(", "),
      ],
      [0, 1, 2, 3],
    ),
    ...list(
      "decisions",
      made.decisions,
      ["AT", "DECISION", "BY", "ABOUT"],
      (one) => [
        clock(one.at),
        one.decision,
        one.by,
        one.entry_id === null ? `request ${one.request_id ?? ""}` : `entry ${one.entry_id}`,
      ],
      [0, 1],
    ),
    ...list(
      "agents",
      Object.entries(made.by_agent),
      ["AGENT", "LANDED", "FAILED", "CONFLICTS"],
      ([agent, { landed, failed, conflicts }]) => [agent, String(landed), String(failed), String(conflicts)],
      [1, 2, 3],
    ),
  ]
}
