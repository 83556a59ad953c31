import { type FSWatcher, watch } from "node:fs"

/** Says that something happened in one of these folders, not what: a hint to look, which may be missed or come twice. */
export interface FolderWatch {
  /** Watches these folders and no others from now on. */
  readonly keep: (folders: Iterable<string>) => void
  /** Whether anything happened since it was last asked. */
  readonly stirred: () => boolean
  /** False when the system had no watch for one of them: then nothing can be told from silence. */
  readonly complete: () => boolean
  readonly close: () => void
}

/** One watch for each folder under `root` that is kept: what is ignored costs none. */
export const openFolderWatch = (root: string): FolderWatch => {
  const watches = new Map<string, FSWatcher | null>()
  let stirred = false
  const open = (folder: string): FSWatcher | null => {
    try {
      const one = watch(`${root}/${folder}`, { persistent: false }, () => {
        stirred = true
      })
      // A folder that is gone; the next `keep` drops it.
      one.on("error", () => {
        stirred = true
      })
      return one
    } catch {
      return null
    }
  }
  return {
    keep: (folders) => {
      const wanted = new Set(folders)
      for (const [folder, one] of watches)
        if (!wanted.has(folder)) {
          one?.close()
          watches.delete(folder)
        }
      for (const folder of wanted) if (!watches.has(folder)) watches.set(folder, open(folder))
    },
    stirred: () => {
      const was = stirred
      stirred = false
      return was
    },
    complete: () => [...watches.values()].every((one) => one !== null),
    close: () => {
      for (const one of watches.values()) one?.close()
      watches.clear()
    },
  }
}
