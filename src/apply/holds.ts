import type { BigIntStats } from "node:fs"
import { blobOid } from "../platform/git/objects.ts"
import type { BlobEntry } from "../platform/git/tree-edit.ts"
import type { FileOperations } from "./WorktreeFiles.ts"

/** Is the file at this name exactly this tree entry: kind, bytes and (where it can be trusted) exec bit? */
export const holds = (files: FileOperations, path: string, entry: BlobEntry, fileMode: boolean): boolean => {
  const stat = files.stat(path)
  return stat !== null && statHolds(files, path, stat, entry, fileMode)
}

export const statHolds = (
  files: FileOperations,
  path: string,
  stat: BigIntStats,
  entry: BlobEntry,
  fileMode: boolean,
): boolean => {
  if (entry.mode === "120000") return stat.isSymbolicLink() && blobOid(files.readLink(path)) === entry.oid
  if (!stat.isFile()) return false
  if (fileMode && ((stat.mode & 0o100n) !== 0n) !== (entry.mode === "100755")) return false
  return blobOid(files.read(path)) === entry.oid
}

/** Changes whenever somebody writes, replaces or renames the file. */
export const identityOf = (stat: BigIntStats): string =>
  `${stat.dev}:${stat.ino}:${stat.size}:${stat.mtimeNs}:${stat.ctimeNs}:${stat.mode}`
