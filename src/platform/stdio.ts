import { visibleJson, visibleLine } from "./sanitize.ts"
import { paint, styled, type Terminal, type Text } from "./Terminal.ts"

export type Format = "text" | "json" | "jsonl"

/** What went wrong, for a person and for a program. `code` is a stable snake_case word. */
export interface Problem {
  readonly code: string
  readonly message: string
  /** The exact command, or the one thing to do, that helps. */
  readonly hint?: string | undefined
  /** True when the same command may succeed later without a change. */
  readonly retryable?: boolean | undefined
}

/** The reader of stdout has gone (EPIPE). Unwinds whatever was running; the program ends quietly. */
export class OutputClosed extends Error {
  constructor() {
    super("the reader of stdout has gone")
    this.name = "OutputClosed"
  }
}

/** stdout could not be written for another reason, such as a full disk. */
export class OutputFailed extends Error {
  readonly errno: string

  constructor(errno: string, options: ErrorOptions) {
    super(`cannot write to stdout: ${errno}`, options)
    this.name = "OutputFailed"
    this.errno = errno
  }
}

export interface Sink {
  readonly terminal: Terminal
  /** Writes everything before it returns; throws OutputClosed when nobody reads any more, else OutputFailed. */
  readonly write: (text: string) => void
}

/** Everything this program says passes here: text is sanitised first, own styling is added after. */
export interface OutputWriter {
  readonly format: Format
  readonly stdout: Terminal
  readonly stderr: Terminal
  /** True once the reader of stdout has gone. */
  readonly closed: () => boolean
  /** One line (or several) of data on stdout. */
  readonly data: (text: Text) => void
  /** One JSON document on stdout, indented. */
  readonly json: (value: unknown) => void
  /** One JSON value on one line on stdout. */
  readonly jsonl: (value: unknown) => void
  /** Anything that is not data: one line on stderr; silent under `--quiet`. */
  readonly note: (text: Text) => void
  /** The error as one line on stderr (JSON when the format is); returns `exit` for the caller to end with. */
  readonly error: (problem: Problem, exit: number) => number
}

export interface WriterOptions {
  readonly format: Format
  readonly quiet: boolean
  readonly stdout: Sink
  readonly stderr: Sink
}

const line = (text: string): string => (text.endsWith("\n") ? text : `${text}\n`)

export const makeWriter = ({ format, quiet, stdout, stderr }: WriterOptions): OutputWriter => {
  let closed = false
  const out = (text: string): void => {
    try {
      stdout.write(text)
    } catch (cause) {
      if (cause instanceof OutputClosed) closed = true
      throw cause
    }
  }
  // Nobody is left to tell when stderr is gone; the work itself must not stop for it.
  const err = (text: string): void => {
    try {
      stderr.write(text)
    } catch (cause) {
      if (!(cause instanceof OutputClosed || cause instanceof OutputFailed)) throw cause
    }
  }
  return {
    format,
    stdout: stdout.terminal,
    stderr: stderr.terminal,
    closed: () => closed,
    data: (text) => out(line(paint(text, stdout.terminal))),
    json: (value) => out(line(visibleJson(value, 2))),
    jsonl: (value) => out(line(visibleJson(value))),
    note: (text) => {
      if (!quiet) err(line(paint(text, stderr.terminal)))
    },
    error: ({ code, message, hint, retryable = false }, exit) => {
      if (format === "text") {
        const cause = ` ${visibleLine(message)}`
        const advice = hint === undefined ? [] : ["; ", styled("cyan", "hint:"), ` ${visibleLine(hint)}`]
        err(line(paint([styled("red", "error:"), cause, ...advice], stderr.terminal)))
      } else {
        err(line(visibleJson({ error: { code, message, hint, retryable } })))
      }
      return exit
    },
  }
}

const errno = (cause: unknown): string =>
  typeof cause === "object" && cause !== null && "code" in cause ? String(cause.code) : String(cause)

/** What a failed write to stdout means. */
export const writeFailure = (cause: unknown): OutputClosed | OutputFailed =>
  errno(cause) === "EPIPE" ? new OutputClosed() : new OutputFailed(errno(cause), { cause })

/** True when a write would succeed a moment later: the pipe is non-blocking and full, or a signal came between. */
export const isTransient = (cause: unknown): boolean => ["EAGAIN", "EINTR"].includes(errno(cause))

/**
 * Prints one uncoloured answer and waits for it. For `--version` and `--help`, a fifth of whose CPU a sink would be.
 * Rejects with OutputClosed or OutputFailed.
 */
export const printOnce = async (text: Text): Promise<void> => {
  try {
    const stdout = Bun.stdout.writer()
    stdout.write(line(paint(text, { color: false })))
    await stdout.end()
  } catch (cause) {
    throw writeFailure(cause)
  }
}
