import type { BigIntStats } from "node:fs"
import { fail, ok, type Result } from "../domain/result.ts"
import {
  editIndex,
  entryStat,
  type GitIndex,
  type IndexEntry,
  type IndexTarget,
  parseIndex,
} from "../platform/git/index-file.ts"
import { blobOid } from "../platform/git/objects.ts"
import { byteStringToPath, pathToByteString } from "../platform/git/path-bytes.ts"
import { LandingBlocked } from "./errors.ts"
import type { Folders } from "./folders.ts"
import { identityOf } from "./holds.ts"
import type { RecordedFile } from "./LandingJournal.ts"
import type { FileOperations } from "./WorktreeFiles.ts"

/** The index of a working tree as it was read. */
export interface ReadIndex {
  readonly index: GitIndex
  /** null: there is no index file yet. */
  readonly stat: BigIntStats | null
}

const SECOND = 1_000_000_000n

/** Reads the index, or keeps `known` when the file is still the same. */
export const readIndex = (
  files: FileOperations,
  gitDir: string,
  known: ReadIndex | null,
): Result<ReadIndex, LandingBlocked> => {
  const path = `${gitDir}/index`
  const stat = files.stat(path)
  if (known && (stat && identityOf(stat)) === (known.stat && identityOf(known.stat))) return ok(known)
  const parsed = parseIndex(stat ? files.read(path) : null)
  if (parsed.ok) return ok({ index: parsed.value, stat })
  return fail(new LandingBlocked({ reason: "index_unsupported", paths: [path], detail: parsed.error }))
}

/**
 * Entries that git could only trust because the index file was not younger than they are ("racy"): once we write a
 * younger index, a change made in that same second would be hidden. Those not proven unchanged are given back.
 */
const doubtfulEntries = (
  files: FileOperations,
  folders: Folders,
  { index, stat }: ReadIndex,
  edited: ReadonlyMap<string, unknown>,
): ReadonlySet<string> => {
  const doubtful = new Set<string>()
  if (!stat) return doubtful
  const unchanged = (entry: IndexEntry): boolean => {
    const at = folders.locate(byteStringToPath(entry.name))
    const now = typeof at === "string" ? files.stat(at) : null
    // Absent or of another kind: git sees that without our help.
    if (!now?.isFile() || typeof at !== "string") return true
    const then = entryStat(index, entry)
    const same =
      now.mtimeNs === then.mtimeNs &&
      now.ctimeNs === then.ctimeNs &&
      Number(now.size & 0xffffffffn) === then.size
    return (same && then.mtimeNs < stat.mtimeNs) || blobOid(files.read(at)) === entry.oid
  }
  const second = stat.mtimeNs / SECOND
  for (const entry of index.entries) {
    if (entry.stage !== 0 || edited.has(entry.name) || entry.mode === "160000") continue
    if (entryStat(index, entry).mtimeNs / SECOND >= second && !unchanged(entry)) doubtful.add(entry.name)
  }
  return doubtful
}

/** What the index may record about a file that we put there; null when it is no longer surely ours. */
const statOf = (
  files: FileOperations,
  folders: Folders,
  file: RecordedFile,
  staged: BigIntStats | undefined,
): BigIntStats | null => {
  const at = folders.locate(file.path)
  const now = typeof at === "string" ? files.stat(at) : null
  if (!now || typeof at !== "string") return null
  if (file.after?.mode === "120000") {
    return now.isSymbolicLink() && blobOid(files.readLink(at)) === file.after.oid ? now : null
  }
  const ours = staged && staged.ino === now.ino && staged.size === now.size && staged.mtimeNs === now.mtimeNs
  return ours ? now : null
}

/** The index after the landing, with what git needs to see the touched files as unchanged. */
export const nextIndex = (
  files: FileOperations,
  folders: Folders,
  read: ReadIndex,
  recorded: readonly RecordedFile[],
  stats: ReadonlyMap<string, BigIntStats>,
): Buffer => {
  const edits = new Map<string, IndexTarget | null>()
  for (const file of recorded) {
    const { path, after, indexOnly } = file
    const target = after && {
      ...after,
      stat: indexOnly ? null : statOf(files, folders, file, stats.get(path)),
      skipWorktree: indexOnly,
    }
    edits.set(pathToByteString(path), target)
  }
  return editIndex(read.index, edits, doubtfulEntries(files, folders, read, edits))
}
