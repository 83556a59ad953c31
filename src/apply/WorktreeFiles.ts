import {
  type BigIntStats,
  closeSync,
  constants,
  existsSync,
  fstatSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmdirSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  writeSync,
} from "node:fs"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Failpoints } from "../platform/Failpoints.ts"
import { flushPaths } from "../platform/git/object-store.ts"
import { exchangeNames } from "./exchange-syscall.ts"

/**
 * The few file operations a landing is made of, one system call or a plain loop of one each. They throw the system's
 * error (`code` = errno name). No name that ends in a symbolic link is ever followed.
 */
export interface FileOperations {
  /** null when there is nothing. */
  readonly stat: (path: string) => BigIntStats | null
  /** A regular file's bytes. */
  readonly read: (path: string) => Buffer
  readonly readLink: (path: string) => Buffer
  readonly list: (path: string) => readonly string[]
  /** A new file, complete; EEXIST when the name is taken. */
  readonly create: (path: string, bytes: Uint8Array, mode: number) => void
  readonly createLink: (target: Uint8Array, path: string) => void
  readonly link: (from: string, to: string) => void
  readonly rename: (from: string, to: string) => void
  readonly exchange: (left: string, right: string) => "done" | "unsupported"
  readonly unlink: (path: string) => void
  readonly makeFolder: (path: string, mode: number) => void
  readonly makeFolders: (path: string) => void
  readonly removeFolder: (path: string) => void
  readonly removeAll: (path: string) => void
  /** Opens `name` below an open folder (null: `name` is absolute) as a place, not for reading. Refuses links. */
  readonly openFolder: (
    parent: string | null,
    name: string,
  ) => { readonly fd: number; readonly place: string }
  readonly close: (fd: number) => void
  /** Makes contents and names durable. */
  readonly flush: (paths: readonly string[]) => Promise<void>
}

export class WorktreeFiles extends Context.Tag("hyperion/apply/WorktreeFiles")<
  WorktreeFiles,
  FileOperations
>() {
  static readonly layer = Layer.effect(
    WorktreeFiles,
    Effect.map(Failpoints, ({ pass }) => announcing(live, pass)),
  )
}

const codeOf = (error: unknown): unknown => (error as { readonly code?: unknown }).code

const { O_RDONLY, O_NOFOLLOW, O_DIRECTORY, O_NONBLOCK } = constants
const O_PATH = process.platform === "linux" ? 0o10000000 : 0

const isFollowed = existsSync("/proc/self/fd")

const CHANGING = [
  "create",
  "createLink",
  "link",
  "rename",
  "exchange",
  "unlink",
  "makeFolder",
  "removeFolder",
  "removeAll",
  "flush",
] as const satisfies readonly (keyof FileOperations)[]

/** The same operations, each one that changes something announced as `file.<name>` before it runs. */
const announcing = (files: FileOperations, pass: (name: string) => void): FileOperations => {
  const announced = CHANGING.map((name) => [
    name,
    (...args: never[]) => {
      pass(`file.${name}`)
      return (files[name] as (...all: never[]) => unknown)(...args)
    },
  ])
  return { ...files, ...(Object.fromEntries(announced) as Pick<FileOperations, (typeof CHANGING)[number]>) }
}

const live: FileOperations = {
  stat: (path) => {
    try {
      return lstatSync(path, { bigint: true })
    } catch (error) {
      if (codeOf(error) === "ENOENT" || codeOf(error) === "ENOTDIR") return null
      throw error
    }
  },
  read: (path) => {
    // Non-blocking: a pipe put there meanwhile must not hang us.
    const fd = openSync(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK)
    try {
      if (!fstatSync(fd).isFile()) throw Object.assign(new Error("not a regular file"), { code: "EFTYPE" })
      return readFileSync(fd)
    } finally {
      closeSync(fd)
    }
  },
  readLink: (path) => readlinkSync(path, { encoding: "buffer" }),
  list: (path) => readdirSync(path),
  create: (path, bytes, mode) => {
    const fd = openSync(path, "wx", mode)
    try {
      for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at, bytes.length - at)
    } finally {
      closeSync(fd)
    }
  },
  createLink: (target, path) => symlinkSync(Buffer.from(target), path),
  link: linkSync,
  rename: renameSync,
  exchange: exchangeNames,
  unlink: unlinkSync,
  makeFolder: (path, mode) => void mkdirSync(path, { mode }),
  makeFolders: (path) => void mkdirSync(path, { recursive: true, mode: 0o700 }),
  removeFolder: rmdirSync,
  removeAll: (path) => rmSync(path, { recursive: true, force: true }),
  openFolder: (parent, name) => {
    const path = parent === null ? name : `${parent}/${name}`
    const fd = openSync(path, O_RDONLY | O_DIRECTORY | O_PATH | (parent === null ? 0 : O_NOFOLLOW))
    // Through /proc the kernel goes to this very folder, whatever its path means by then.
    return { fd, place: isFollowed ? `/proc/self/fd/${fd}` : path }
  },
  close: closeSync,
  flush: flushPaths,
}
