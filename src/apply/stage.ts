import type { BigIntStats } from "node:fs"
import type { RecordedFile } from "./LandingJournal.ts"
import type { NetEffect } from "./plan.ts"
import type { FileOperations } from "./WorktreeFiles.ts"

export interface Staged {
  readonly files: readonly RecordedFile[]
  /** Of each staged regular file before it went into the tree: its identity there, but for the change time. */
  readonly stats: ReadonlyMap<string, BigIntStats>
  /** What must be flushed for the stage to survive a power cut. */
  readonly flush: readonly string[]
}

/** Writes all new contents, with their modes, into a fresh `stageDir`. Nothing of the tree is touched. */
export const stageContents = (
  files: FileOperations,
  stageDir: string,
  net: readonly NetEffect[],
  indexOnly: ReadonlySet<string>,
): Staged => {
  const above = stageDir.slice(0, stageDir.lastIndexOf("/"))
  files.makeFolders(above)
  // Under its name only when complete: what a kill leaves of an unfinished one is nobody's only copy.
  const unfinished = unfinishedStage(stageDir)
  files.makeFolder(unfinished, 0o700)
  try {
    const staged = fill(files, unfinished, net, indexOnly)
    files.rename(unfinished, stageDir)
    const flush = staged.flush.map((slot) => `${stageDir}/${slot}`)
    return { ...staged, flush: [...flush, stageDir, above] }
  } catch (error) {
    files.removeAll(unfinished)
    throw error
  }
}

export const unfinishedStage = (stageDir: string): string => `${stageDir}.new`

const fill = (
  files: FileOperations,
  stageDir: string,
  net: readonly NetEffect[],
  indexOnly: ReadonlySet<string>,
): Staged => {
  const recorded: RecordedFile[] = []
  const stats = new Map<string, BigIntStats>()
  const flush: string[] = []
  for (const [at, { path, before, after, bytes }] of net.entries()) {
    const slot = String(at)
    const isHere = !indexOnly.has(path)
    recorded.push({ path, before, after, slot, indexOnly: !isHere })
    if (!isHere || after === null || bytes === null || after.mode === "160000") continue
    const name = `${stageDir}/${slot}`
    if (after.mode === "120000") {
      files.createLink(bytes, name)
      continue
    }
    files.create(name, bytes, after.mode === "100755" ? 0o777 : 0o666)
    stats.set(path, files.stat(name)!)
    flush.push(slot)
  }
  return { files: recorded, stats, flush }
}
