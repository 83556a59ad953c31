import * as Effect from "effect/Effect"
import { type EventView, streamEvents } from "../../operations/events.ts"
import { visibleLine } from "../../platform/sanitize.ts"
import { Exit, type ExitCode } from "../exit-codes.ts"
import type { CommandContext } from "../run.ts"
import { runCore } from "../run-program.ts"

export interface EventsArgs {
  readonly follow: boolean
  readonly after: number | undefined
  readonly limit: number | undefined
}

export const showEvents = (context: CommandContext<EventsArgs>) =>
  runCore(
    context,
    Effect.gen(function* () {
      const { args, output } = context
      if (args.follow && output.format === "json")
        return output.error(
          {
            code: "bad_usage",
            message: "a stream that goes on is no JSON document",
            hint: "hyperion events --follow --format jsonl",
          },
          Exit.usage,
        ) as ExitCode
      const all: EventView[] = []
      const last = yield* streamEvents(args, (event) =>
        Effect.sync(() => {
          if (output.format === "json") all.push(event)
          else if (output.format === "jsonl") output.jsonl(event)
          else output.data(lineOf(event))
        }),
      )
      if (output.format === "json") output.json({ schema_version: 1, events: all, last_seq: last })
      return Exit.ok
    }),
  )

const lineOf = ({ seq, at, event, entry_id, subject, actor, data }: EventView): string => {
  const about = entry_id === null ? (subject ?? "") : `entry ${entry_id}`
  return visibleLine(`${seq} ${at} ${event.padEnd(16)} ${about} ${actor} ${JSON.stringify(data)}`)
}
