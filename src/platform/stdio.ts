import { writeSync } from "node:fs"
import { visibleJson, visibleLine } from "./sanitize.ts"
import { detectTerminal, type Environment, paint, styled, type Terminal, type Text } from "./Terminal.ts"

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

const errno = (cause: unknown): unknown =>
  typeof cause === "object" && cause !== null && "code" in cause ? cause.code : undefined

const sleeper = new Int32Array(new SharedArrayBuffer(4))

/** Writes to a file descriptor and returns when all of it is out, also where the pipe is non-blocking (EAGAIN). */
export const fdSink = (fd: 1 | 2, env: Environment, noColor = false): Sink => ({
  terminal: detectTerminal(fd, env, noColor),
  write: (text) => {
    const bytes = Buffer.from(text)
    let offset = 0
    while (offset < bytes.length) {
      try {
        offset += writeSync(fd, bytes, offset)
      } catch (cause) {
        const code = errno(cause)
        if (code === "EPIPE") throw new OutputClosed()
        if (code !== "EAGAIN" && code !== "EINTR") throw new OutputFailed(String(code), { cause })
        Atomics.wait(sleeper, 0, 0, 2)
      }
    }
  },
})
