import * as Effect from "effect/Effect"
import type { Change } from "../../domain/change-request.ts"
import { etaText } from "../../domain/eta.ts"
import { counted } from "../../domain/words.ts"
import { readArchive } from "../../operations/archived.ts"
import { type EntryDetail, showEntry } from "../../operations/entries.ts"
import { type Explanation, why } from "../../operations/why.ts"
import { visibleLine } from "../../platform/sanitize.ts"
import { type Piece, styled } from "../../platform/Terminal.ts"
import { Exit } from "../exit-codes.ts"
import type { CommandContext } from "../run.ts"
import { runCore } from "../run-program.ts"

export const showWhy = (context: CommandContext<{ readonly id: string }>) =>
  runCore(
    context,
    Effect.gen(function* () {
      const { args, output } = context
      const explanations = yield* why(args.id)
      if (output.format === "json") output.json({ schema_version: 1, explanations })
      else if (output.format === "jsonl") for (const explanation of explanations) output.jsonl(explanation)
      else for (const explanation of explanations) output.data(whyText(explanation))
      return Exit.ok
    }),
  )

const whyText = ({
  id,
  task_id,
  state,
  code,
  message,
  evidence,
  position,
  eta,
  next,
}: Explanation): readonly Piece[] => [
  styled("bold", `entry ${id}`),
  ` (${task_id}) is ${state}: `,
  styled("cyan", code),
  `\n  ${visibleLine(message)}`,
  ...(eta === null
    ? position === null
      ? []
      : ["\n  time unknown: nothing was worked on yet"]
    : [`\n  ${etaText(eta)} of work, by the last ${counted(eta.sample, "entry", "entries")}`]),
  ...evidence.flatMap((line) => line.split("\n").map((part) => `\n  - ${part}`)),
  ...(next === null ? [] : ["\n  next: ", styled("bold", next)]),
]

export const show = (context: CommandContext<{ readonly id: string }>) =>
  runCore(
    context,
    Effect.gen(function* () {
      const { args, output } = context
      const detail = yield* showEntry(args.id)
      if (output.format === "json") output.json({ schema_version: 1, ...detail })
      else if (output.format === "jsonl") output.jsonl({ schema_version: 1, ...detail })
      else output.data(detailText(detail))
      return Exit.ok
    }),
  )

const detailText = ({
  entry,
  cast,
  verification,
  approvals,
  failure,
  receipt,
  archive,
}: EntryDetail): readonly Piece[] => {
  const lines: Piece[] = []
  const field = (name: string, value: string | number | null | undefined) => {
    // On one line: a line break of an agent's must not make a line of ours.
    if (value !== null && value !== undefined && value !== "")
      lines.push(`${name.padEnd(12)}${visibleLine(String(value))}\n`)
  }
  lines.push(styled("bold", `entry ${entry.id}`), `  ${entry.state}\n`)
  field("intent", entry.intent)
  field("task", `${entry.task_id}  (request ${entry.request_id})`)
  field("agent", entry.agent)
  field("cast", `${entry.cast_id}`)
  field("checksum", cast?.checksum)
  field("created", entry.created_at)
  field("expires", receipt === null && entry.state !== "applied" ? entry.expires_at : null)
  field("attempts", `${entry.attempts} of ${entry.max_attempts}`)
  field("reason", entry.reason)
  if (entry.held) field("held", `by ${entry.held.by} since ${entry.held.since}: ${entry.held.reason}`)
  field("blocked by", entry.blocked_by.join(", "))
  field("digest", verification?.approval_digest)
  field("commit", entry.commit)
  field("archive", archive && `${archive.folder}/${archive.file}: ${readArchive(archive)}`)
  field("flags", receipt?.flags.join(", "))
  for (const claim of cast?.approvals ?? [])
    field("claim", `${claim.approver} (said by the document, not counted)`)
  for (const approval of approvals)
    field(
      approval.decision === "approve" ? "approved" : "rejected",
      `${approval.approver} at ${approval.at} (${approval.presence})${approval.note ? `: ${approval.note}` : ""}${approval.void ? ` [void: ${approval.void}]` : ""}`,
    )
  for (const guard of receipt?.guard_outputs ?? [])
    field("guard", `${guard.guard_id}: ${guard.result} in ${guard.duration_ms} ms`)
  if (failure) field("failure", `${failure.code}: ${failure.message}`)
  for (const change of cast?.change_request.changes ?? [])
    lines.push(
      "\n",
      styled("bold", `${change.operation} ${change.path}`),
      "\n",
      ...changeText(change, entry.id),
    )
  return lines
}

/** Lines of a patch, and of a file that is given whole, that are shown: what changes is read, what is there is known. */
const PATCH_LINES = 400
const CONTENT_LINES = 20

const changeText = (change: Change, id: number): readonly Piece[] => {
  const text = change.patch ?? change.content ?? ""
  if (text === "") return []
  if (change.patch_encoding === "base64")
    return [styled("dim", `  (${counted(text.length, "character")} of base64)\n`)]
  const [all, most] = [
    text.replace(/\n$/, "").split("\n"),
    change.patch === undefined ? CONTENT_LINES : PATCH_LINES,
  ]
  const more = all.length - most
  return [
    ...all.slice(0, most).flatMap((line) => ["  ", change.patch === undefined ? line : diffLine(line), "\n"]),
    ...(more > 0
      ? [styled("dim", `  … ${counted(more, "more line")}: hyperion show ${id} --format json\n`)]
      : []),
  ]
}

const diffLine = (line: string): Piece =>
  line.startsWith("+")
    ? styled("green", line)
    : line.startsWith("-")
      ? styled("red", line)
      : line.startsWith("@@")
        ? styled("cyan", line)
        : line
