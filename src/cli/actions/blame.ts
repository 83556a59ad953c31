import { relative, resolve } from "node:path"
import * as Effect from "effect/Effect"
import { counted } from "../../domain/words.ts"
import { type Blame, blame } from "../../operations/blame.ts"
import { type Piece, styled } from "../../platform/Terminal.ts"
import { CurrentWorkspace } from "../../platform/Workspace.ts"
import { Exit, type ExitCode } from "../exit-codes.ts"
import type { CommandContext } from "../run.ts"
import { runIntake } from "../run-intake.ts"

const PLACE = /^(.+):([1-9]\d{0,8})$/s
/** Of a prompt, on a terminal; `--format json` has all of it. */
const PROMPT_LINES = 20

export const blameLine = (context: CommandContext<{ readonly place: string }>) =>
  runIntake(
    context,
    Effect.gen(function* () {
      const { args, output } = context
      const place = PLACE.exec(args.place)
      if (!place)
        return output.error(
          {
            code: "bad_value",
            message: `${JSON.stringify(args.place)} names no line`,
            hint: "hyperion blame src/login.ts:42",
          },
          Exit.usage,
        ) as ExitCode
      const { root } = yield* CurrentWorkspace
      const [, path, line] = place
      const found = yield* blame(inRepository(root, path!), Number(line))
      if (output.format === "text") output.data(blameText(found))
      else output.json({ schema_version: 1, ...found })
      return Exit.ok as ExitCode
    }),
  )

/** As typed where the person stands; a path that leads out of the workspace is meant from its root. */
const inRepository = (root: string, path: string): string => {
  const from = relative(root, resolve(path))
  return from === "" || from.startsWith("..") ? path : from
}

const blameText = ({ path, line, text, commit, author, summary, entry }: Blame): readonly Piece[] => {
  const pieces: Piece[] = [styled("bold", `${path}:${line}`), `  ${text}\n`]
  const field = (name: string, value: string | null | undefined) => {
    if (value !== null && value !== undefined && value !== "")
      pieces.push(`  ${name.padEnd(12)}${value.replaceAll("\n", `\n  ${" ".repeat(12)}`)}\n`)
  }
  field("commit", `${commit}  ${summary}`)
  if (entry === null) {
    field("by", `${author}: no landing of this queue made this commit`)
    return trimmed(pieces)
  }
  field("entry", `${entry.id}, landed ${entry.landed_at ?? "at an unknown time"}`)
  field("task", `${entry.task_id}  (request ${entry.request_id})`)
  field("agent", entry.agent)
  field("intent", entry.intent)
  field("flags", entry.flags.join(", "))
  if (entry.archive) field("archive", `${entry.archive.folder}/${entry.archive.file}`)
  for (const { approver, timestamp, note } of entry.approvals)
    field("approved by", `${approver} at ${timestamp}${note === undefined ? "" : `: ${note}`}`)
  for (const { guard_id, result, log } of entry.guards)
    field("guard", `${guard_id}: ${result}${log === null ? "" : `, ${log}`}`)
  field("prompt", entry.prompt === null ? "none is stored for this task" : shortened(entry.prompt.prompt))
  return trimmed(pieces)
}

const shortened = (prompt: string): string => {
  const lines = prompt.trimEnd().split("\n")
  const more = lines.length - PROMPT_LINES
  return more > 0
    ? [...lines.slice(0, PROMPT_LINES), `… ${counted(more, "more line")}: --format json`].join("\n")
    : lines.join("\n")
}

const trimmed = (pieces: Piece[]): readonly Piece[] => {
  const last = pieces.at(-1)
  return typeof last === "string" ? [...pieces.slice(0, -1), last.replace(/\n$/, "")] : pieces
}
