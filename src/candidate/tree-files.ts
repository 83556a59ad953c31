import {
  type BigIntStats,
  chmodSync,
  closeSync,
  constants,
  type Dirent,
  fchmodSync,
  fstatSync,
  lstatSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeSync,
} from "node:fs"
import { join } from "node:path"
import { blobOid } from "../platform/git/objects.ts"
import { byteStringToPath, pathToBytes } from "../platform/git/path-bytes.ts"
import type { ManifestEntry } from "./manifest.ts"

/** A path below a root as the system takes it: a name that is not UTF-8 needs its bytes. */
export const below = (root: string, path: string): string | Buffer => {
  if (path === "") return root
  return path.isWellFormed() ? `${root}/${path}` : Buffer.concat([Buffer.from(`${root}/`), pathToBytes(path)])
}

export type EntryType = "folder" | "file" | "link" | "other"

const typeOf = (entry: Dirent | BigIntStats): EntryType => {
  if (entry.isDirectory()) return "folder"
  if (entry.isFile()) return "file"
  return entry.isSymbolicLink() ? "link" : "other"
}

/** What a folder holds. A folder its last user closed to itself is opened first. */
export const list = (folder: string | Buffer): ReadonlyArray<readonly [name: string, type: EntryType]> => {
  const stat = lstatSync(folder)
  if ((stat.mode & 0o700) !== 0o700) chmodSync(folder, 0o755)
  const entries = readdirSync(folder as string, { withFileTypes: true })
  if (!entries.some((entry) => entry.name.includes("\uFFFD"))) {
    return entries.map((entry) => [entry.name, typeOf(entry)])
  }
  return readdirSync(folder, { encoding: "buffer" }).map((bytes) => {
    const path = Buffer.concat([Buffer.from(folder), Buffer.from("/"), bytes])
    return [byteStringToPath(bytes.toString("latin1")), typeOf(lstatSync(path, { bigint: true }))]
  })
}

const openAll = (folder: string): void => {
  for (const [name, type] of list(folder)) if (type === "folder") openAll(join(folder, name))
}

/** Removes whatever is there without following a link. A folder closed to us is opened and tried again. */
export const remove = (path: string | Buffer): void => {
  try {
    rmSync(path, { recursive: true, force: true })
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code
    if (code !== "EACCES" && code !== "EPERM" && code !== "ENOTEMPTY") throw error
    openAll(path.toString())
    rmSync(path, { recursive: true, force: true })
  }
}

/** Whether a file or link is the entry by content, mode and being the only name of its bytes. */
export const isEntry = (path: string | Buffer, entry: ManifestEntry, stat: BigIntStats): boolean => {
  if (stat.isSymbolicLink()) {
    return entry.mode === "120000" && blobOid(readlinkSync(path, { encoding: "buffer" })) === entry.oid
  }
  const permissions = entry.mode === "100755" ? 0o755n : 0o644n
  return (
    stat.isFile() &&
    stat.nlink === 1n &&
    entry.mode !== "120000" &&
    (stat.mode & 0o7777n) === permissions &&
    blobOid(readFileSync(path)) === entry.oid
  )
}

const { O_CREAT, O_EXCL, O_NOFOLLOW, O_WRONLY } = constants

/**
 * Writes one file or link that is not there yet. O_EXCL and O_NOFOLLOW: what a guard may have put in its place in the
 * meantime is an error, never written through.
 */
export const writeEntry = (path: string | Buffer, entry: ManifestEntry, bytes: Uint8Array): BigIntStats => {
  if (entry.mode === "120000") {
    symlinkSync(Buffer.from(bytes), path)
    return lstatSync(path, { bigint: true })
  }
  const fd = openSync(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600)
  try {
    for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at)
    fchmodSync(fd, entry.mode === "100755" ? 0o755 : 0o644)
    return fstatSync(fd, { bigint: true })
  } finally {
    closeSync(fd)
  }
}
