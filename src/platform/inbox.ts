import {
  closeSync,
  constants,
  fstatSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  type Stats,
  unlinkSync,
} from "node:fs"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import type { Millis } from "../domain/time.ts"
import { writeFileAtomic } from "./atomic-file.ts"
import { errnoOf, StoreFailed } from "./git/errors.ts"
import { InputUnreadable } from "./read-input.ts"

/** Tells whether a file was written to in between: its inode, size and time of change. */
export interface Stamp {
  readonly name: string
  readonly size: number
  /** Epoch ms of the last write, by the file system's clock. */
  readonly written: Millis
  readonly key: string
}

const stampOf = (name: string, { ino, size, mtimeMs }: Stats): Stamp => ({
  name,
  size,
  written: mtimeMs,
  key: `${ino} ${size} ${mtimeMs}`,
})

/** Hidden files are what others write before they rename. */
const isDocument = (name: string): boolean => /^[^.].*\.(?:json|jsonl|ndjson)$/i.test(name)

const lstat = (path: string): Stats | undefined => lstatSync(path, { throwIfNoEntry: false })

/** The documents that lie in a folder, by name: regular files alone, no symbolic links, nothing of its subfolders. */
export const listInbox = (folder: string): Effect.Effect<readonly Stamp[], InputUnreadable> =>
  Effect.try({
    try: () =>
      readdirSync(folder)
        .filter(isDocument)
        .sort()
        .flatMap((name) => {
          const stats = lstat(join(folder, name))
          return stats?.isFile() ? [stampOf(name, stats)] : []
        }),
    catch: (error) => new InputUnreadable({ file: folder, reason: errnoOf(error) }),
  })

/** A file's bytes, if it is still the one of the stamp before and after it is read; null when it is not. */
export const readStamped = (folder: string, { name, key }: Stamp): Effect.Effect<Uint8Array | null> =>
  Effect.sync(() => {
    let fd: number
    try {
      fd = openSync(join(folder, name), constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
    } catch {
      return null
    }
    try {
      const stats = fstatSync(fd)
      if (!stats.isFile() || stampOf(name, stats).key !== key) return null
      const bytes = readFileSync(fd)
      return stampOf(name, fstatSync(fd)).key === key ? bytes : null
    } catch {
      return null
    } finally {
      closeSync(fd)
    }
  })

/** `a.json`, `a-2.json` … */
const numbered = (name: string, n: number): string => {
  const dot = name.lastIndexOf(".")
  return n === 1 ? name : `${name.slice(0, dot)}-${n}${name.slice(dot)}`
}

/** Never over a file that is there. False: somebody has taken `from` away meanwhile. Throws other system errors. */
const moveNew = (from: string, to: string): boolean | "taken" => {
  try {
    linkSync(from, to)
    unlinkSync(from)
    return true
  } catch (error) {
    const code = errnoOf(error)
    if (code === "EEXIST") return "taken"
    if (code === "ENOENT") return false
    if (code !== "EPERM" && code !== "ENOTSUP" && code !== "EOPNOTSUPP") throw error
  }
  // A file system without hard links.
  if (lstat(to)) return "taken"
  renameSync(from, to)
  return true
}

/**
 * Moves a file into a subfolder, which is made when there is none, under its own name or a numbered one. Gives the
 * path within the folder; null when the file is gone.
 */
export const moveInto = (
  folder: string,
  name: string,
  subfolder: string,
): Effect.Effect<string | null, StoreFailed> =>
  storing(join(folder, subfolder), () => {
    const target = join(folder, subfolder)
    mkdirSync(target, { recursive: true })
    if (!lstat(target)?.isDirectory()) throw Object.assign(new Error("not a folder"), { code: "ENOTDIR" })
    for (let n = 1; ; n++) {
      const path = join(subfolder, numbered(name, n))
      const moved = moveNew(join(folder, name), join(folder, path))
      if (moved !== "taken") return moved ? path : null
    }
  })

/** Puts a file that was moved back, when it was written to since; gives whether it was. */
export const moveBackIfWritten = (
  folder: string,
  path: string,
  stamp: Stamp,
): Effect.Effect<boolean, StoreFailed> =>
  storing(join(folder, path), () => {
    const stats = lstat(join(folder, path))
    if (!stats?.isFile() || stampOf(stamp.name, stats).key === stamp.key) return false
    return moveNew(join(folder, path), join(folder, stamp.name)) === true
  })

/** A JSON document beside a file of the folder. */
export const writeBeside = (folder: string, path: string, value: unknown): Effect.Effect<void, StoreFailed> =>
  storing(join(folder, path), () =>
    writeFileAtomic(join(folder, path), `${JSON.stringify(value, null, 2)}\n`),
  )

const storing = <A>(path: string, body: () => A): Effect.Effect<A, StoreFailed> =>
  Effect.try({
    try: body,
    catch: (error) => new StoreFailed({ operation: "write", path, code: errnoOf(error) }),
  })
