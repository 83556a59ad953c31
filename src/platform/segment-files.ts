import {
  closeSync,
  existsSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readdirSync,
  readSync,
  rmSync,
  statSync,
  writeSync,
} from "node:fs"
import { basename, dirname, join } from "node:path"
import * as Effect from "effect/Effect"
import { Failpoints } from "./Failpoints.ts"
import { errnoOf, StoreFailed } from "./git/errors.ts"
import { InputUnreadable } from "./read-input.ts"

const attempt = <A>(operation: string, path: string, body: () => A): Effect.Effect<A, StoreFailed> =>
  Effect.try({ try: body, catch: (error) => new StoreFailed({ operation, path, code: errnoOf(error) }) })

/** A file of lines that appears under its name only when it is complete and durable. */
export interface LineFile {
  readonly line: (text: string) => void
  /** SHA-256 of all lines so far. */
  readonly sha256: () => string
  /** Refuses to replace a file that is there (`EEXIST`). */
  readonly finish: Effect.Effect<void, StoreFailed>
}

/** Removed with its scope unless it was finished. */
export const newLineFile = (path: string) =>
  Effect.flatMap(Failpoints, ({ pass }) => newFileOfLines(path, pass))

const newFileOfLines = (path: string, pass: (name: string) => void) =>
  Effect.map(
    Effect.acquireRelease(
      attempt("create", path, () => {
        mkdirSync(dirname(path), { recursive: true })
        const temporary = join(dirname(path), `.${basename(path)}.${process.pid}.tmp`)
        rmSync(temporary, { force: true })
        return { temporary, fd: openSync(temporary, "wx", 0o600) }
      }),
      ({ temporary, fd }) =>
        Effect.sync(() => {
          closeSync(fd)
          rmSync(temporary, { force: true })
        }),
    ),
    ({ temporary, fd }): LineFile => {
      const hasher = new Bun.CryptoHasher("sha256")
      // A full disk: said at the end, so that a line can be written from anywhere.
      let failure: unknown = null
      return {
        line: (text) => {
          if (failure !== null) return
          const bytes = Buffer.from(`${text}\n`)
          hasher.update(bytes)
          try {
            for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at, bytes.length - at)
          } catch (error) {
            failure = error
          }
        },
        sha256: () => hasher.copy().digest("hex"),
        finish: attempt("write", path, () => {
          if (failure !== null) throw failure
          pass("lines.flush")
          fsyncSync(fd)
          pass("lines.link")
          linkSync(temporary, path)
          const folder = openSync(dirname(path), "r")
          try {
            fsyncSync(folder)
          } finally {
            closeSync(folder)
          }
        }),
      }
    },
  )

const unreadable = (file: string) => (error: unknown) => {
  const code = errnoOf(error)
  return new InputUnreadable({ file, reason: code === "ENOENT" ? "no such file or folder" : code })
}

/** Names in a folder, sorted; none when it is not there. */
export const namesIn = (folder: string): Effect.Effect<readonly string[], InputUnreadable> =>
  Effect.try({
    try: () => (existsSync(folder) ? readdirSync(folder).sort() : []),
    catch: unreadable(folder),
  })

export const isFolder = (path: string): boolean =>
  statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false

const CHUNK = 1024 * 1024

/** A file of lines being read; the caller's scope closes it. */
export interface LineReader {
  /** The next line without its newline; null at the end. */
  readonly next: Effect.Effect<string | null, InputUnreadable>
}

/** A last line without a newline is a line too: a file that was cut must not look whole. */
export const openLineReader = (file: string) =>
  Effect.map(
    Effect.acquireRelease(Effect.try({ try: () => openSync(file, "r"), catch: unreadable(file) }), (fd) =>
      Effect.sync(() => closeSync(fd)),
    ),
    (fd): LineReader => {
      const lines = linesOf(fd)
      return {
        next: Effect.try({
          try: () => {
            const next = lines.next()
            return next.done ? null : next.value
          },
          catch: unreadable(file),
        }),
      }
    },
  )

function* linesOf(fd: number): Generator<string, void> {
  const chunk = Buffer.alloc(CHUNK)
  let rest: Buffer[] = []
  for (let read = readSync(fd, chunk); read > 0; read = readSync(fd, chunk)) {
    let from = 0
    for (let end = chunk.indexOf(10); end >= 0 && end < read; end = chunk.indexOf(10, from)) {
      yield Buffer.concat([...rest, chunk.subarray(from, end)]).toString("utf8")
      rest = []
      from = end + 1
    }
    if (from < read) rest.push(Buffer.from(chunk.subarray(from, read)))
  }
  if (rest.length > 0) yield Buffer.concat(rest).toString("utf8")
}
