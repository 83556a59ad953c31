import { closeSync, existsSync, mkdirSync, openSync, readSync, realpathSync, rmSync, statSync } from "node:fs"
import { dirname, resolve, sep } from "node:path"
import * as Effect from "effect/Effect"
import { errnoOf, StoreFailed } from "./git/errors.ts"

const CHUNK = 1024 * 1024

const attempt = <A>(operation: string, path: string, body: () => A): Effect.Effect<A, StoreFailed> =>
  Effect.try({ try: body, catch: (error) => new StoreFailed({ operation, path, code: errnoOf(error) }) })

export interface FileDigest {
  readonly sha256: string
  readonly bytes: number
}

/** Reads a file from the disk to its end. */
export const fileDigest = (path: string): Effect.Effect<FileDigest, StoreFailed> =>
  attempt("read", path, () => {
    const fd = openSync(path, "r")
    try {
      const hasher = new Bun.CryptoHasher("sha256")
      const chunk = Buffer.alloc(CHUNK)
      let bytes = 0
      for (let read = readSync(fd, chunk); read > 0; read = readSync(fd, chunk)) {
        hasher.update(chunk.subarray(0, read))
        bytes += read
      }
      return { sha256: hasher.digest("hex"), bytes }
    } finally {
      closeSync(fd)
    }
  })

export const isFile = (path: string): boolean => statSync(path, { throwIfNoEntry: false })?.isFile() ?? false

export const removeFile = (path: string): Effect.Effect<void, StoreFailed> =>
  attempt("remove", path, () => rmSync(path))

/** A folder's real path, made when it is not there. */
export const makeFolder = (path: string): Effect.Effect<string, StoreFailed> =>
  attempt("create", path, () => {
    mkdirSync(resolve(path), { recursive: true, mode: 0o700 })
    return realpathSync(resolve(path))
  })

/** Whether a path, there or not, lies in a folder, whatever links lead there. */
export const isInside = (path: string, folder: string): boolean => {
  let existing = resolve(path)
  let rest = ""
  while (!existsSync(existing)) {
    rest = `${existing.slice(dirname(existing).length)}${rest}`
    existing = dirname(existing)
  }
  const real = `${realpathSync(existing)}${rest}`
  const outer = realpathSync(folder)
  return real === outer || real.startsWith(`${outer}${sep}`)
}
