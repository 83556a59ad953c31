import * as Effect from "effect/Effect"
import type { Violation } from "../../domain/violation.ts"
import { readAll } from "../../operations/read-documents.ts"
import { reportEntry } from "../../operations/report-files.ts"
import { type Submission, submit } from "../../operations/submit.ts"
import type { OutputWriter } from "../../platform/stdio.ts"
import { type Piece, styled } from "../../platform/Terminal.ts"
import { Exit, type ExitCode } from "../exit-codes.ts"
import type { CommandContext } from "../run.ts"
import { runIntake } from "../run-intake.ts"
import type { TimeArg } from "../time.ts"

export interface EnqueueArgs {
  readonly files: readonly string[]
  readonly supersede: boolean
  readonly dryRun: boolean
  readonly wait: boolean
  readonly timeout: string | undefined
  readonly at: (TimeArg & { readonly kind: "instant" }) | undefined
}

/** Rejected documents shown one by one in text; the rest is counted. */
const SHOWN = 20

export const enqueue = (context: CommandContext<EnqueueArgs>) =>
  runIntake(
    context,
    Effect.gen(function* () {
      const { args, output } = context
      const documents = yield* readAll(args.files)
      const results = yield* submit(documents, {
        supersede: args.supersede,
        dryRun: args.dryRun,
        tasks: "open",
        at: args.at?.epochMs,
      })
      const last = results.findLast(({ outcome }) => outcome === "queued")
      if (!args.dryRun) yield* reportEntry(last?.entry_id ?? null)
      return args.wait ? yield* waited(output, results, args.timeout) : told(output, results)
    }),
  )

/** Says what was queued, then what becomes of it. With JSON both are one document, at the end. */
const waited = (output: OutputWriter, results: readonly Submission[], timeout: string | undefined) =>
  Effect.gen(function* () {
    const { tellWaited, timeoutOf, endOf } = yield* Effect.promise(() => import("./wait.ts"))
    const { wait } = yield* Effect.promise(() => import("../../operations/wait.ts"))
    const isDocument = output.format === "json"
    const queued = isDocument ? exitOf(results) : told(output, results)
    const ids = results.flatMap(({ entry_id }) => (entry_id === null ? [] : [String(entry_id)]))
    const options = { ids: [...new Set(ids)], for: "decided", timeoutMs: timeoutOf(timeout) } as const
    const report = yield* wait(options, (one) => Effect.sync(() => tellWaited(output, one)))
    if (isDocument) output.json({ schema_version: 1, summary: summaryOf(results), results, waited: report })
    const end = endOf(output, report, timeout)
    return queued === Exit.ok ? end : queued
  })

export const validateChange = (context: CommandContext<{ readonly file: string }>) =>
  runIntake(
    context,
    Effect.gen(function* () {
      const { args, output } = context
      const documents = yield* readAll([args.file])
      const results = yield* submit(documents, { supersede: true, dryRun: true, tasks: "open" })
      return told(output, results)
    }),
  )

export const summaryOf = (results: readonly Submission[]) => ({
  queued: results.filter((result) => result.outcome === "queued").length,
  duplicate: results.filter((result) => result.outcome === "duplicate").length,
  rejected: results.filter((result) => result.outcome === "rejected").length,
  valid: results.filter((result) => result.outcome === "valid").length,
})

/** Says what became of each document; exit 5 when any was rejected, the rest stay. */
export const told = (output: OutputWriter, results: readonly Submission[]): ExitCode => {
  const summary = summaryOf(results)
  if (output.format === "json") output.json({ schema_version: 1, summary, results })
  else if (output.format === "jsonl") for (const result of results) output.jsonl(result)
  else tellText(output, results, summary)
  return exitOf(results)
}

const exitOf = (results: readonly Submission[]): ExitCode =>
  results.some(({ outcome }) => outcome === "rejected") ? Exit.rejected : Exit.ok

const tellText = (
  output: OutputWriter,
  results: readonly Submission[],
  summary: ReturnType<typeof summaryOf>,
) => {
  const rejected = results.filter((result) => result.outcome === "rejected")
  if (results.length <= SHOWN)
    for (const result of results) if (result.outcome !== "rejected") output.data(accepted(result))
  for (const result of rejected.slice(0, SHOWN))
    for (const violation of result.violations)
      output.data([
        styled("red", "rejected"),
        ` ${place(result.where, violation)}: ${violation.message} [${violation.code}]; `,
        styled("cyan", "hint:"),
        ` ${violation.hint}`,
      ])
  if (rejected.length > SHOWN) output.data(`… and ${rejected.length - SHOWN} more rejected documents`)
  if (results.length > 1)
    output.data(
      Object.entries(summary)
        .filter(([, count]) => count > 0)
        .map(([name, count]) => `${count} ${name}`)
        .join(", "),
    )
}

/** Where to look; nothing that the path or the message says itself. */
const place = (where: string, { path, message }: Violation): string => {
  if (path === "" || message.startsWith(`${path}: `)) return where
  return path.startsWith(where) ? path : `${where}: ${path}`
}

const accepted = (result: Submission): readonly Piece[] => {
  const task = `task ${result.task_id}`
  switch (result.outcome) {
    case "queued": {
      const replaced =
        result.superseded.length > 0 ? `, superseding entry ${result.superseded.join(", ")}` : ""
      return [
        styled("green", "queued"),
        ` ${task} as entry ${result.entry_id} (${result.cast_id})${replaced}`,
      ]
    }
    case "duplicate":
      return [styled("yellow", "duplicate"), ` ${task} is entry ${result.entry_id} already`]
    default:
      return [styled("green", "valid"), ` ${task}`]
  }
}
