import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { type EntryState, TERMINAL } from "../../domain/entry.ts"
import type { FileModification } from "../../domain/records.ts"
import { toTimestamp } from "../../domain/time.ts"
import { spanText } from "../../domain/words.ts"
import {
  type auditView,
  type EntryView,
  history,
  listDeadLetters,
  listPage,
} from "../../operations/entries.ts"
import { workerLogs } from "../../operations/logs.ts"
import { modifications } from "../../operations/modifications.ts"
import type { OutputWriter } from "../../platform/stdio.ts"
import { styled } from "../../platform/Terminal.ts"
import { table } from "../../platform/table.ts"
import { Exit } from "../exit-codes.ts"
import type { CommandContext } from "../run.ts"
import { runCore } from "../run-program.ts"
import type { TimeArg } from "../time.ts"

/** Rows of a listing without `--limit`: as many as a script wants at once, or as a person reads on a screen. */
const pageSize = ({ format, stdout }: OutputWriter): number => (format === "text" && stdout.isTTY ? 30 : 100)

const instant = (time: TimeArg | undefined) =>
  time === undefined
    ? Effect.succeed(undefined)
    : time.kind === "instant"
      ? Effect.succeed(time.epochMs)
      : Effect.map(Clock.currentTimeMillis, (now) => now - time.ms)

/** A listing in all three formats: JSON is one document, JSONL one row a line, text a table. */
const listing = <T>(
  output: OutputWriter,
  key: string,
  rows: readonly T[],
  text: {
    readonly head: readonly string[]
    readonly row: (row: T) => readonly string[]
    readonly none: string
    /** Columns that are not cut. */
    readonly whole?: readonly number[]
  },
  cursor: string | null = null,
): void => {
  if (output.format === "json")
    output.json({ schema_version: 1, [key]: rows, ...(cursor !== null && { next_cursor: cursor }) })
  else if (output.format === "jsonl") for (const row of rows) output.jsonl(row)
  else if (rows.length === 0) output.note(text.none)
  else {
    output.data(
      table(rows.map(text.row), { head: text.head, width: output.stdout.columns, whole: text.whole }),
    )
    if (cursor !== null) output.note(`more: the same command with --cursor ${cursor}, or with --limit N`)
  }
}

/** `2026-11-20T04:31:07.123Z` → `2026-11-20 04:31:07`. */
const clock = (timestamp: string): string => timestamp.slice(0, 19).replace("T", " ")

export interface ListArgs {
  readonly state: readonly string[]
  readonly held: boolean
  readonly agent: string | undefined
  readonly path: string | undefined
  readonly since: TimeArg | undefined
  readonly limit: number | undefined
  readonly cursor: string | undefined
}

/** What a listing's page and filters are in the queue's terms; said and null when the cursor is none of ours. */
const pageOf = Effect.fn("cli.page")(function* (
  args: Omit<ListArgs, "state" | "held">,
  output: OutputWriter,
) {
  const since = yield* instant(args.since)
  if (args.cursor !== undefined && !/^\d{1,15}$/.test(args.cursor)) {
    output.error(
      {
        code: "bad_value",
        message: "this --cursor is not one a listing gave",
        hint: "use next_cursor of the page before",
      },
      Exit.usage,
    )
    return null
  }
  return {
    limit: args.limit ?? pageSize(output),
    ...(args.agent !== undefined && { agent: args.agent }),
    ...(args.path !== undefined && { path: args.path }),
    ...(since !== undefined && { since }),
    ...(args.cursor !== undefined && { before: Number(args.cursor) }),
  }
})

export const list = (context: CommandContext<ListArgs>) =>
  runCore(
    context,
    Effect.gen(function* () {
      const { args, output } = context
      const filter = yield* pageOf(args, output)
      if (filter === null) return Exit.usage
      const now = yield* Clock.currentTimeMillis
      const page = yield* listPage({
        states: args.state as readonly EntryState[],
        held: args.held,
        ...filter,
      })
      listing(
        output,
        "entries",
        page.entries,
        {
          head: ["ID", "STATE", "SINCE", "TASK", "AGENT", "INTENT"],
          whole: [0, 1, 2],
          row: (entry: EntryView) => [
            String(entry.id),
            entry.held === null ? entry.state : `${entry.state}, held`,
            spanText(now - Date.parse(entry.updated_at)),
            entry.task_id,
            entry.agent,
            entry.intent ??
              (entry.archived
                ? "(archived)"
                : TERMINAL.has(entry.state)
                  ? "(swept)"
                  : "(unreadable payload)"),
          ],
          none: "no entries",
        },
        page.nextCursor,
      )
      return Exit.ok
    }),
  )

const MODIFICATIONS = {
  head: ["AT", "EVENT", "SOURCE", "PATH", "DETAILS"],
  whole: [0, 1, 2],
  row: (row: FileModification) => [
    clock(toTimestamp(row.created_at * 1000)),
    row.event,
    row.source,
    row.path,
    JSON.stringify(row.details),
  ],
  none: "no file changed while a worker was at work",
} as const

export const showHistory = (
  context: CommandContext<{
    readonly id: string | undefined
    readonly modifications: boolean
    readonly since: TimeArg | undefined
    readonly limit: number | undefined
  }>,
) =>
  runCore(
    context,
    Effect.gen(function* () {
      const { args, output } = context
      const since = yield* instant(args.since)
      if (args.modifications) {
        const changes = yield* modifications(since, args.limit ?? pageSize(output))
        listing(output, "modifications", changes, MODIFICATIONS)
        return Exit.ok
      }
      const rows = yield* history({ id: args.id, since, limit: args.limit ?? pageSize(output) })
      listing(output, "events", rows, {
        head: ["SEQ", "AT", "EVENT", "ENTRY", "ACTOR", "DATA"],
        whole: [0, 1, 2, 3],
        row: (row: ReturnType<typeof auditView>) => [
          String(row.seq),
          clock(row.at),
          row.event,
          row.entry_id === null ? (row.subject ?? "") : String(row.entry_id),
          row.actor,
          JSON.stringify(row.data),
        ],
        none: "nothing has happened here yet",
      })
      return Exit.ok
    }),
  )

export const showWorkerLogs = (
  context: CommandContext<{ readonly since: TimeArg | undefined; readonly limit: number | undefined }>,
) =>
  runCore(
    context,
    Effect.gen(function* () {
      const { args, output } = context
      const since = yield* instant(args.since)
      const logs = yield* workerLogs(since, args.limit ?? pageSize(output))
      listing(output, "logs", logs, {
        head: ["AT", "LEVEL", "ENTRY", "TASK", "MESSAGE", "DETAILS"],
        whole: [0, 1, 2, 4],
        row: (row) => [
          clock(toTimestamp(row.created_at * 1000)),
          row.level,
          row.queue_id === null ? "" : String(row.queue_id),
          row.task_id ?? "",
          row.message,
          JSON.stringify(row.details),
        ],
        none: "no worker has run yet",
      })
      return Exit.ok
    }),
  )

export const showDeadLetters = (context: CommandContext<Omit<ListArgs, "state" | "held">>) =>
  runCore(
    context,
    Effect.gen(function* () {
      const { args, output } = context
      const filter = yield* pageOf(args, output)
      if (filter === null) return Exit.usage
      const now = yield* Clock.currentTimeMillis
      const { letters, nextCursor } = yield* listDeadLetters(filter)
      const text = {
        head: ["ENTRY", "CLASS", "SINCE", "TASK", "AGENT", "ERROR"],
        whole: [0, 1, 2],
        row: (row: (typeof letters)[number]) => [
          String(row.queue_id),
          row.reason_class,
          spanText(now - row.failed_at * 1000),
          row.task_id,
          row.agent,
          row.error,
        ],
        none: "no dead letters",
      }
      listing(output, "dead_letters", letters, text, nextCursor)
      if (letters.length > 0 && output.format === "text")
        output.note([
          styled("dim", "hyperion why ID explains one; hyperion requeue ID --reason TEXT tries again"),
        ])
      return Exit.ok
    }),
  )
