import type { ApprovalReview, EntryReview } from "../../operations/review.ts"
import { visibleLine } from "../../platform/sanitize.ts"
import { type Piece, type Style, styled } from "../../platform/Terminal.ts"

/** Ordinary paths shown of one entry; sensitive ones are always shown. */
const PATHS = 40
const LONGEST = 300

/** Foreign text on one line: an agent's newline must not forge a line of ours. */
const foreign = (text: string): string => {
  const line = visibleLine(text)
  return line.length > LONGEST ? `${line.slice(0, LONGEST)}…` : line
}

/** What is to be approved, for a person: what must be named first, then the rest, then what others say. */
export const reviewText = (review: ApprovalReview): readonly Piece[] => [
  ...review.entries.flatMap((entry, index) => [...(index > 0 ? ["\n"] : []), ...entryText(entry)]),
  ...review.skipped.map(({ entry_id, state }) => `\nentry ${entry_id} is left out: it is ${state}`),
  ...(review.entries.length > 1 ? ["\n", styled("bold", "digest of all  "), review.digest] : []),
]

const entryText = (entry: EntryReview): readonly Piece[] => {
  const pieces: Piece[] = [
    styled("bold", `entry ${entry.entry_id}`),
    ` ${entry.task_id} by ${foreign(entry.agent)}: ${foreign(entry.intent)}`,
  ]
  const line = (name: string, text: string, style?: Style) =>
    pieces.push(`\n  ${name.padEnd(10)} `, style === undefined ? text : styled(style, text))
  const named = new Set(entry.sensitive)
  const ordinary = entry.paths.filter(({ path }) => !named.has(path))
  for (const one of entry.paths)
    if (named.has(one.path)) line("sensitive", `${pathText(one)}  needs --acknowledge`, "red")
  for (const one of ordinary.slice(0, PATHS)) line("changes", pathText(one))
  if (ordinary.length > PATHS)
    line("", `and ${ordinary.length - PATHS} more: hyperion show ${entry.entry_id}`)
  if (entry.author !== null) line("author", `${foreign(entry.author)} (as the change says)`)
  if (entry.binds === "intent") {
    line(
      "not proven",
      "no guard has judged it: this records your intent, bound to the cast's checksum;",
      "yellow",
    )
    line("", "it counts when the guards are green and the change applies exactly as written", "yellow")
  }
  for (const guard of entry.guards)
    line(
      "guard",
      `${guard.guard_id}: ${guard.result} in ${guard.duration_ms} ms, sandbox ${guard.sandbox}`,
      guard.result === "passed" ? "green" : "red",
    )
  if (entry.flags.length > 0) line("flags", entry.flags.map(foreign).join(", "), "yellow")
  for (const { path, kind, detail } of entry.repairs)
    line("repaired", foreign(`${path}: ${kind.replaceAll("_", " ")}: ${detail}`), "yellow")
  for (const { approver, note } of entry.claims)
    line(
      "claim",
      `${foreign(approver)}${note === null ? "" : `: ${foreign(note)}`} (said by the agent, not counted)`,
      "dim",
    )
  if (entry.counted.length > 0) line("approved", `by ${entry.counted.map(foreign).join(", ")}`)
  line("needs", entry.missing === "" ? "nothing more" : foreign(entry.missing))
  line("content", `hyperion show ${entry.entry_id}`)
  line("digest", entry.digest, "bold")
  return pieces
}

const pathText = ({ path, operation, mode }: EntryReview["paths"][number]): string =>
  `${operation} ${foreign(path)}${mode === "100755" ? " (executable)" : mode === "120000" ? " (symbolic link)" : mode === "160000" ? " (submodule)" : ""}`
