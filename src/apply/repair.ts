import type { BlobEntry } from "../platform/git/tree-edit.ts"
import { type Folders, parentOf, parentsOf } from "./folders.ts"
import { holds } from "./holds.ts"
import { dropName, placeAt, type Sides, wantedFolders } from "./placing.ts"
import type { FileOperations } from "./WorktreeFiles.ts"

/** Brings a working tree that a dead landing left half changed to one of its two sides. */
export interface Repair {
  /** New contents everywhere. Each call may follow a kill in the one before. */
  readonly forward: (all: readonly Sides[]) => void
  /** Old contents everywhere. */
  readonly back: (all: readonly Sides[], newFolders: readonly string[]) => void
  /** Paths where somebody else's bytes stand now, or stood when they were displaced. Changes nothing. */
  readonly foreign: (all: readonly Sides[]) => readonly string[]
  /** Paths whose bytes are somebody else's: they stay. */
  readonly left: () => readonly string[]
}

export interface RepairInput {
  readonly files: FileOperations
  readonly folders: Folders
  readonly stageDir: string
  readonly fileMode: boolean
  /** Bytes of an entry of the landed tree, for a slot that is gone. */
  readonly contentOf: (entry: BlobEntry) => Uint8Array
}

/** What stands at a name, as the record sees it. */
type Found = "before" | "after" | "absent" | "foreign"

const codeOf = (error: unknown): unknown => (error as { readonly code?: unknown }).code

const LET_BE = new Set<unknown>(["ENOTEMPTY", "EEXIST", "EBUSY", "ENOENT", "ENOTDIR"])

export const makeRepair = ({ files, folders, stageDir, fileMode, contentOf }: RepairInput): Repair => {
  const left = new Set<string>()
  /** Paths at which a folder is the landing's own doing, or undoing: nobody's file. */
  let ownFolders: ReadonlySet<string> = new Set()
  const learnFolders = (all: readonly Sides[]) => {
    const submodules = all.filter((file) => file.folderBefore || file.folderAfter)
    ownFolders = new Set([
      ...all.flatMap((file) => parentsOf(file.path)),
      ...submodules.map((file) => file.path),
    ])
  }
  const slotOf = (file: Sides) => `${stageDir}/${file.slot}`
  const oldOf = (file: Sides) => `${slotOf(file)}.old`
  const backOf = (file: Sides) => `${slotOf(file)}.back`

  /** null: its parents are not the folders they should be. */
  const at = (path: string): string | null => {
    const place = folders.locate(path)
    return typeof place === "string" ? place : null
  }

  const is = (name: string, entry: BlobEntry | null): boolean =>
    entry !== null && holds(files, name, entry, fileMode)

  const look = (name: string | null, { path, before, after }: Sides): Found => {
    const stat = name === null ? null : files.stat(name)
    if (name === null || stat === null) return "absent"
    if (stat.isDirectory() && ownFolders.has(path) && !name.startsWith(stageDir)) return "absent"
    if (is(name, after)) return "after"
    return is(name, before) ? "before" : "foreign"
  }

  const makeParents = (path: string): void => {
    for (const folder of parentsOf(path)) {
      const inside = folders.locate(`${folder}/.`)
      if (typeof inside === "string" || inside.kind !== "missing") continue
      makeFolder(folder)
    }
  }

  const makeFolder = (folder: string): void => {
    const name = at(folder)
    if (name === null || files.stat(name) !== null) return
    files.makeFolder(name, 0o777)
  }

  const removeIfEmpty = (folder: string): boolean => {
    const name = at(folder)
    if (name === null || !files.stat(name)?.isDirectory()) return true
    if (files.list(name).length > 0) return false
    folders.forget(folder)
    try {
      files.removeFolder(name)
      return true
    } catch (error) {
      if (LET_BE.has(codeOf(error))) return false
      throw error
    }
  }

  const removeEmptied = (path: string, wanted: ReadonlySet<string>): void => {
    for (let folder = parentOf(path); folder !== "" && !wanted.has(folder); folder = parentOf(folder)) {
      if (!removeIfEmpty(folder)) return
    }
  }

  const place = (from: string, path: string): void => {
    makeParents(path)
    const name = at(path)
    if (name === null || placeAt(files, from, name) === "taken") left.add(path)
    else dropName(files, from)
  }

  const restage = (file: Sides, after: BlobEntry): void => {
    const slot = slotOf(file)
    if (is(slot, after)) return
    files.makeFolders(stageDir)
    // Never over it: it may be the only copy of somebody's bytes.
    if (files.stat(slot)) files.rename(slot, `${slot}.found`)
    if (after.mode === "120000") files.createLink(contentOf(after), slot)
    else files.create(slot, contentOf(after), after.mode === "100755" ? 0o777 : 0o666)
  }

  /** Out of the tree, to `to`; back again when it is not what it should be. */
  const takeOut = (file: Sides, name: string, to: string, expected: BlobEntry): boolean => {
    files.makeFolders(stageDir)
    if (files.stat(to)) files.rename(to, `${to}.found`)
    files.rename(name, to)
    if (is(to, expected)) return true
    place(to, file.path)
    left.add(file.path)
    return false
  }

  /** Swaps the slot with the path; again when what comes out is not what it should be. */
  const swap = (file: Sides, name: string, out: BlobEntry): void => {
    const slot = slotOf(file)
    if (files.exchange(slot, name) === "unsupported") {
      if (takeOut(file, name, oldOf(file), out)) place(slot, file.path)
      return
    }
    if (is(slot, out)) return
    files.exchange(slot, name)
    left.add(file.path)
  }

  const sameFile = (one: string, other: string): boolean => {
    const [left, right] = [files.stat(one), files.stat(other)]
    return left !== null && right !== null && left.ino === right.ino && left.dev === right.dev
  }

  /** A displaced file that is not the old one: somebody's edit, overtaken by the exchange. */
  const isForeign = (name: string, file: Sides): boolean => look(name, file) === "foreign"

  const forwardDelete = (file: Sides, before: BlobEntry): void => {
    const name = at(file.path)
    const found = look(name, file)
    if (found === "foreign") left.add(file.path)
    else if (found === "before" && name !== null) takeOut(file, name, slotOf(file), before)
    else if (isForeign(slotOf(file), file)) {
      left.add(file.path)
      place(slotOf(file), file.path)
    }
  }

  const forwardWrite = (file: Sides, after: BlobEntry): void => {
    const name = at(file.path)
    const slot = slotOf(file)
    switch (look(name, file)) {
      case "foreign":
        left.add(file.path)
        return
      case "after":
        if (name === null) return
        if (file.before === null) {
          if (sameFile(slot, name)) files.unlink(slot)
        } else if (isForeign(slot, file)) {
          swap(file, name, after)
          left.add(file.path)
        }
        return
      case "before":
        restage(file, after)
        if (name !== null && file.before !== null) swap(file, name, file.before)
        return
      case "absent":
        if (file.before !== null && !files.stat(oldOf(file))) left.add(file.path)
        else if (isForeign(oldOf(file), file)) {
          left.add(file.path)
          place(oldOf(file), file.path)
        } else {
          restage(file, after)
          place(slot, file.path)
        }
    }
  }

  const backAdd = (file: Sides, after: BlobEntry): void => {
    const name = at(file.path)
    const slot = slotOf(file)
    const found = look(name, file)
    if (found === "foreign") left.add(file.path)
    else if (found === "after" && name !== null) {
      if (files.stat(slot) && !sameFile(slot, name)) return
      takeOut(file, name, backOf(file), after)
    } else if (isForeign(backOf(file), file)) {
      left.add(file.path)
      place(backOf(file), file.path)
    }
  }

  const backDelete = (file: Sides): void => {
    const name = at(file.path)
    const found = look(name, file)
    const slot = slotOf(file)
    if (found === "foreign") left.add(file.path)
    else if (found === "absent" && files.stat(slot)) place(slot, file.path)
    else if (found === "before" && name !== null && sameFile(slot, name)) files.unlink(slot)
  }

  const backWrite = (file: Sides, before: BlobEntry, after: BlobEntry): void => {
    const name = at(file.path)
    const [slot, old] = [slotOf(file), oldOf(file)]
    const found = look(name, file)
    if (found === "foreign") left.add(file.path)
    else if (found === "absent") {
      if (files.stat(old)) place(old, file.path)
      else left.add(file.path)
    } else if (found === "before" && name !== null) {
      if (sameFile(old, name)) files.unlink(old)
    } else if (name !== null && files.stat(old)) {
      if (takeOut(file, name, backOf(file), after)) place(old, file.path)
    } else if (name !== null && files.stat(slot) && !is(slot, after)) {
      if (!is(slot, before)) left.add(file.path)
      swap(file, name, after)
    }
  }

  /** Deleted by somebody else: our own way to an absent file leaves the old one in the stage. */
  const isTakenAway = (file: Sides): boolean =>
    file.before !== null &&
    file.after !== null &&
    look(at(file.path), file) === "absent" &&
    !files.stat(oldOf(file))

  return {
    foreign: (all) => {
      learnFolders(all)
      const found = all.filter(
        (file) =>
          look(at(file.path), file) === "foreign" ||
          isTakenAway(file) ||
          [slotOf(file), oldOf(file)].some((name) => isForeign(name, file)),
      )
      return found.map((file) => file.path)
    },
    left: () => Array.from(left),
    forward: (all) => {
      learnFolders(all)
      const wanted = wantedFolders(all)
      const gone = all.filter((file) => file.after === null)
      for (const file of gone) if (file.before) forwardDelete(file, file.before)
      for (const file of all) if (file.folderBefore && !wanted.has(file.path)) removeIfEmpty(file.path)
      for (const file of gone.toReversed()) removeEmptied(file.path, wanted)
      for (const file of all) {
        if (file.after === null && !file.folderAfter) continue
        makeParents(file.path)
        if (file.folderAfter) makeFolder(file.path)
        else if (file.after) forwardWrite(file, file.after)
      }
    },
    back: (all, newFolders) => {
      learnFolders(all)
      for (const file of all.toReversed()) {
        if (file.before === null && file.after !== null) backAdd(file, file.after)
        if (file.folderAfter && !file.folderBefore) removeIfEmpty(file.path)
      }
      for (const folder of newFolders.toReversed()) removeIfEmpty(folder)
      for (const file of all.toReversed()) {
        if (file.before && file.after) backWrite(file, file.before, file.after)
        else if (file.before) backDelete(file)
        if (file.folderBefore && !file.folderAfter) {
          makeParents(file.path)
          makeFolder(file.path)
        }
      }
    },
  }
}
