import * as Effect from "effect/Effect"
import type { Millis } from "../../domain/time.ts"
import { type Awaited, type Waited, type WaitReport, wait } from "../../operations/wait.ts"
import { visibleLine } from "../../platform/sanitize.ts"
import type { OutputWriter } from "../../platform/stdio.ts"
import { type Style, styled } from "../../platform/Terminal.ts"
import { Exit, type ExitCode } from "../exit-codes.ts"
import type { CommandContext } from "../run.ts"
import { runCore } from "../run-program.ts"
import { parseSince } from "../time.ts"

export interface WaitArgs {
  readonly ids: readonly string[]
  readonly for: Awaited | undefined
  readonly timeout: string | undefined
}

/** `90s` in milliseconds; `refuseTimeout` has looked at it. */
export const timeoutOf = (text: string | undefined): Millis | undefined => {
  const parsed = text === undefined ? null : parseSince(text)
  return parsed?.ok && parsed.value.kind === "ago" ? parsed.value.ms : undefined
}

export const waitFor = (context: CommandContext<WaitArgs>) =>
  runCore(
    context,
    Effect.gen(function* () {
      const { args, output } = context
      const options = {
        ids: args.ids,
        for: args.for ?? "decided",
        timeoutMs: timeoutOf(args.timeout),
      } as const
      const report = yield* wait(options, (waited) => Effect.sync(() => tellWaited(output, waited)))
      if (output.format === "json") output.json({ schema_version: 1, ...report })
      return endOf(output, report, args.timeout)
    }),
  )

const STYLES: Partial<Record<Waited["state"], Style>> = {
  applied: "green",
  conflict: "red",
  failed: "red",
  cancelled: "red",
}

/** One line as soon as it is known; with JSON everything comes at the end. */
export const tellWaited = (output: OutputWriter, waited: Waited): void => {
  if (output.format === "jsonl") output.jsonl(waited)
  if (output.format !== "text") return
  const { state, entry_id, task_id, message, next } = waited
  output.data([
    styled(STYLES[state] ?? "yellow", state),
    ` entry ${entry_id} (${task_id})${message === "" ? "" : `: ${visibleLine(message)}`}`,
    ...(state === "applied" || next === null ? [] : [`; next: ${next}`]),
  ])
}

/** Says what the wait did not see the end of, and gives the exit code. */
export const endOf = (
  output: OutputWriter,
  { entries, unsettled }: WaitReport,
  timeout: string | undefined,
): ExitCode => {
  const [first] = unsettled
  if (first !== undefined) {
    const others = unsettled.length === 1 ? "" : ` (and ${unsettled.length - 1} more)`
    const message = `entry ${first.entry_id} is still ${first.state} after ${timeout}${others}`
    output.error(
      { code: "deadline", message, hint: `hyperion why ${first.entry_id}`, retryable: true },
      Exit.deadline,
    )
    return Exit.deadline
  }
  const codes = new Set(entries.filter(({ reached }) => !reached).map(exitOf))
  const [code = Exit.ok, ...more] = codes
  return more.length === 0 ? code : Exit.failed
}

const exitOf = ({ state, code }: Waited): ExitCode => {
  if (state === "conflict") return Exit.conflict
  if (state === "awaiting_approval") return Exit.approvalMissing
  return state === "failed" && code === "guard_failed" ? Exit.guardFailed : Exit.failed
}
