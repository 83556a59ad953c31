import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { type Format, makeWriter, type OutputWriter, type Problem, type Sink } from "./stdio.ts"
import type { Terminal, Text } from "./Terminal.ts"

export interface OutputShape {
  readonly format: Format
  readonly stdout: Terminal
  readonly stderr: Terminal
  /** One line (or several) of data on stdout, sanitised. */
  readonly data: (text: Text) => Effect.Effect<void>
  /** One JSON document on stdout, indented. */
  readonly json: (value: unknown) => Effect.Effect<void>
  /** One JSON value on one line on stdout. */
  readonly jsonl: (value: unknown) => Effect.Effect<void>
  /** One line on stderr; silent under `--quiet`. */
  readonly note: (text: Text) => Effect.Effect<void>
  /** The error as one line on stderr; succeeds with `exit`. */
  readonly error: (problem: Problem, exit: number) => Effect.Effect<number>
}

/** A reader of stdout that has gone dies as `OutputClosed`, so finalizers run and `main` ends quietly. */
const fromWriter = (writer: OutputWriter): OutputShape => ({
  format: writer.format,
  stdout: writer.stdout,
  stderr: writer.stderr,
  data: (text) => Effect.sync(() => writer.data(text)),
  json: (value) => Effect.sync(() => writer.json(value)),
  jsonl: (value) => Effect.sync(() => writer.jsonl(value)),
  note: (text) => Effect.sync(() => writer.note(text)),
  error: (problem, exit) => Effect.sync(() => writer.error(problem, exit)),
})

/** What was written, byte for byte, by a recording layer. */
export interface Recording {
  readonly stdout: () => string
  readonly stderr: () => string
}

export interface RecordingOptions {
  readonly format?: Format
  readonly quiet?: boolean
  readonly terminal?: Terminal
}

/** The service form of the one place that writes stdout and stderr. `stdio.ts` is the same without Effect. */
export class Output extends Context.Tag("hyperion/platform/Output")<Output, OutputShape>() {
  static readonly layer = (writer: OutputWriter): Layer.Layer<Output> =>
    Layer.succeed(Output, fromWriter(writer))

  /** For tests: records instead of writing. */
  static readonly recording = (
    options: RecordingOptions = {},
  ): { readonly layer: Layer.Layer<Output>; readonly recorded: Recording } => {
    const { writer, recorded } = recordingWriter(options)
    return { layer: Output.layer(writer), recorded }
  }
}

/** A writer that records; for tests of code that does not use Effect. */
export const recordingWriter = (
  options: RecordingOptions = {},
): { readonly writer: OutputWriter; readonly recorded: Recording } => {
  const terminal = options.terminal ?? { isTTY: false, columns: undefined, color: false }
  const written = { stdout: "", stderr: "" }
  const sink = (name: "stdout" | "stderr"): Sink => ({
    terminal,
    write: (text) => {
      written[name] += text
    },
  })
  return {
    writer: makeWriter({
      format: options.format ?? "text",
      quiet: options.quiet ?? false,
      stdout: sink("stdout"),
      stderr: sink("stderr"),
    }),
    recorded: { stdout: () => written.stdout, stderr: () => written.stderr },
  }
}
