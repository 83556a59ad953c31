import type { BlobEntry } from "../platform/git/tree-edit.ts"
import { type Folders, parentOf } from "./folders.ts"
import { holds } from "./holds.ts"
import type { RecordedFile } from "./LandingJournal.ts"
import { dropName, placeAt, type Sides, sidesOf, wantedFolders } from "./placing.ts"
import type { FileOperations } from "./WorktreeFiles.ts"

/** Somebody else changed the path meanwhile; their bytes are to stay. */
export class ForeignEdit extends Error {
  readonly path: string
  constructor(path: string) {
    super(`foreign edit of ${path}`)
    this.path = path
  }
}

export interface Undone {
  /** Paths that somebody else wrote after we did: theirs stays. */
  readonly left: readonly string[]
  /** The stage still holds bytes that are nowhere else. */
  readonly keepStage: boolean
}

/** The exchange of a working tree's files against staged ones. Throws ForeignEdit or the system's error. */
export interface FileExchange {
  /** All files; `newFolders` parents first. */
  readonly run: (recorded: readonly RecordedFile[], newFolders: readonly string[]) => void
  /** Puts back, last first, whatever was done so far. Throws the system's error when that fails too. */
  readonly undo: () => Undone
  /** `fallback`: a file was absent for a moment, as the file system cannot swap names. */
  readonly mode: () => "atomic" | "fallback"
  /** Where each displaced file went. */
  readonly displaced: () => readonly Displaced[]
}

/** An old file, moved out of the tree. A writer that still has it open may write to it yet. */
export interface Displaced {
  readonly path: string
  readonly stored: string
  readonly before: BlobEntry
}

const codeOf = (error: unknown): unknown => (error as { readonly code?: unknown }).code

/** Not empty after all, or somebody's mount point: no reason to fail. */
const LET_BE = new Set<unknown>(["ENOTEMPTY", "EEXIST", "EBUSY"])

export const makeExchange = (
  files: FileOperations,
  folders: Folders,
  stageDir: string,
  fileMode: boolean,
): FileExchange => {
  const undoing: (() => void)[] = []
  const displaced: Displaced[] = []
  const left: string[] = []
  let keepStage = false
  let mode: "atomic" | "fallback" = "atomic"

  const at = (path: string): string => {
    const place = folders.locate(path)
    if (typeof place !== "string") throw new ForeignEdit(place.folder)
    return place
  }

  /** What the path vanished from under us for. */
  const present = <A>(path: string, act: () => A): A => {
    try {
      return act()
    } catch (error) {
      if (codeOf(error) === "ENOENT") throw new ForeignEdit(path)
      throw error
    }
  }

  /** A new name for a staged file; false when the name is taken. */
  const place = (from: string, path: string): boolean => {
    const placed = placeAt(files, from, at(path))
    if (placed === "moved") mode = "fallback"
    return placed !== "taken"
  }

  const takeOut = (path: string, stored: string, before: BlobEntry): void => {
    present(path, () => files.rename(at(path), stored))
    undoing.push(() => {
      if (place(stored, path)) {
        dropName(files, stored)
        return
      }
      left.push(path)
      keepStage = true
    })
    if (!holds(files, stored, before, fileMode)) throw new ForeignEdit(path)
    displaced.push({ path, stored, before })
  }

  const putIn = (path: string, staged: string, after: BlobEntry): void => {
    if (!place(staged, path)) throw new ForeignEdit(path)
    undoing.push(() => {
      const back = `${staged}.back`
      if (!files.stat(at(path))) return
      files.rename(at(path), back)
      if (holds(files, back, after, fileMode)) return
      left.push(path)
      if (place(back, path)) dropName(files, back)
      else keepStage = true
    })
    dropName(files, staged)
  }

  const swap = (path: string, staged: string, before: BlobEntry, after: BlobEntry): void => {
    if (present(path, () => files.exchange(staged, at(path))) === "unsupported") {
      mode = "fallback"
      takeOut(path, `${staged}.old`, before)
      putIn(path, staged, after)
      return
    }
    undoing.push(() => {
      if (!files.stat(at(path))) {
        left.push(path)
        keepStage = true
        return
      }
      files.exchange(staged, at(path))
      if (holds(files, staged, after, fileMode)) return
      files.exchange(staged, at(path))
      left.push(path)
      keepStage = true
    })
    if (!holds(files, staged, before, fileMode)) throw new ForeignEdit(path)
    displaced.push({ path, stored: staged, before })
  }

  const isEmpty = (folder: string): boolean => {
    const inside = folders.locate(`${folder}/.`)
    return typeof inside === "string" && files.list(inside.slice(0, -2)).length === 0
  }

  /** Folders that hold nothing any more go, as git lets them go, unless they are about to be filled again. */
  const removeEmptied = (path: string, wanted: ReadonlySet<string>): void => {
    for (let folder = parentOf(path); folder !== "" && !wanted.has(folder); folder = parentOf(folder)) {
      if (!removeIfEmpty(folder)) return
    }
  }

  const removeIfEmpty = (folder: string): boolean => {
    if (!isEmpty(folder)) return false
    folders.forget(folder)
    try {
      files.removeFolder(at(folder))
    } catch (error) {
      if (LET_BE.has(codeOf(error))) return false
      throw error
    }
    undoing.push(() => void makeFolder(folder))
    return true
  }

  const makeFolder = (folder: string): boolean => {
    try {
      files.makeFolder(at(folder), 0o777)
      return true
    } catch (error) {
      if (codeOf(error) === "EEXIST") return false
      throw error
    }
  }

  const addFolder = (folder: string): void => {
    if (!makeFolder(folder)) return
    undoing.push(() => {
      if (!isEmpty(folder)) return
      folders.forget(folder)
      files.removeFolder(at(folder))
    })
  }

  return {
    run: (recorded, newFolders) => {
      const changed = recorded.filter((file) => !file.indexOnly).map(sidesOf)
      const slot = (file: Sides) => `${stageDir}/${file.slot}`
      const gone = changed.filter((file) => file.after === null)
      const kept = changed.filter((file) => file.after !== null)
      const wanted = wantedFolders(changed)
      for (const file of gone) if (file.before) takeOut(file.path, slot(file), file.before)
      // A submodule that is checked out stays where it is, as git leaves it.
      for (const file of changed) if (file.folderBefore && !wanted.has(file.path)) removeIfEmpty(file.path)
      // Deepest first, so that a folder is empty when its turn comes.
      for (const file of gone.toReversed()) removeEmptied(file.path, wanted)
      for (const folder of newFolders) addFolder(folder)
      for (const file of changed) if (file.folderAfter && !file.folderBefore) addFolder(file.path)
      for (const file of kept) {
        if (file.before === null) putIn(file.path, slot(file), file.after!)
        else swap(file.path, slot(file), file.before, file.after!)
      }
    },
    undo: () => {
      let failure: unknown = null
      for (let step = undoing.pop(); step; step = undoing.pop()) {
        try {
          step()
        } catch (error) {
          failure ??= error
        }
      }
      if (failure !== null) throw failure
      return { left: Array.from(new Set(left)), keepStage }
    },
    mode: () => mode,
    displaced: () => displaced,
  }
}
