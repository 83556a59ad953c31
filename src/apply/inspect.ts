import type { BigIntStats } from "node:fs"
import { fail, ok, type Result } from "../domain/result.ts"
import { collidingEntry, entriesOf, type GitIndex } from "../platform/git/index-file.ts"
import { pathToByteString } from "../platform/git/path-bytes.ts"
import { type BlockReason, LandingBlocked } from "./errors.ts"
import { type Folders, type Obstacle, parentsOf } from "./folders.ts"
import { identityOf, statHolds } from "./holds.ts"
import type { NetEffect } from "./plan.ts"
import type { FileOperations } from "./WorktreeFiles.ts"

/** What a look at the working tree found; nothing was written. */
export interface Inspection {
  /** Paths that are legitimately not checked out: only their index entry changes. */
  readonly indexOnly: ReadonlySet<string>
  /** Folders to be made, parents first. */
  readonly newFolders: readonly string[]
  /** Identity of each file whose bytes were compared, so that a second look need not read them again. */
  readonly identities: ReadonlyMap<string, string>
}

export interface InspectInput {
  readonly files: FileOperations
  readonly folders: Folders
  /** null: what is staged does not matter. */
  readonly index: GitIndex | null
  readonly net: readonly NetEffect[]
  /** `core.fileMode` */
  readonly fileMode: boolean
  /** From an earlier look. */
  readonly known: ReadonlyMap<string, string>
}

/** The first of these that occurs is the reason given, with all of its paths. */
const PRECEDENCE: readonly BlockReason[] = [
  "symlinked_parent",
  "special_file",
  "staged",
  "dirty",
  "untracked_in_the_way",
]

const isSubmodule = (entry: NetEffect["before"]): boolean => entry?.mode === "160000"

/** Is every touched path as the base has it, in the index and in the working tree, and every new path free? */
export const inspect = (input: InspectInput): Result<Inspection, LandingBlocked> => {
  const { files, folders, index, net, fileMode, known } = input
  const found = new Map<BlockReason, Set<string>>()
  const block = (reason: BlockReason, path: string) => {
    found.set(reason, (found.get(reason) ?? new Set()).add(path))
  }
  const deleted = new Set(net.filter((effect) => effect.after === null).map((effect) => effect.path))
  const deletedNames = new Set(Array.from(deleted, pathToByteString))
  const indexOnly = new Set<string>()
  const newFolders = new Set<string>()
  const identities = new Map<string, string>()

  const staged = ({ path, before }: NetEffect): void => {
    if (index === null) return
    const entries = entriesOf(index, pathToByteString(path))
    const [entry] = entries
    const same =
      before === null
        ? entry === undefined
        : entries.length === 1 &&
          entry!.stage === 0 &&
          !entry!.intentToAdd &&
          entry!.oid === before.oid &&
          entry!.mode === before.mode
    if (!same) block("staged", path)
    if (entry?.skipWorktree) indexOnly.add(path)
  }

  const collision = ({ path, before }: NetEffect): void => {
    if (before !== null || index === null) return
    const other = collidingEntry(index, pathToByteString(path), (name) => deletedNames.has(name))
    if (other !== null) block("staged", Buffer.from(other, "latin1").toString("utf8"))
  }

  /** A folder where a file shall be: fine when nothing but files that go is in it. */
  const onlyDeletedBelow = (folder: string): void => {
    const place = folders.locate(`${folder}/.`)
    if (typeof place !== "string") return
    const names = files.list(place.slice(0, -2))
    if (names.length === 0) block("untracked_in_the_way", folder)
    for (const name of names) {
      const path = `${folder}/${name}`
      const at = folders.locate(path)
      if (typeof at === "string" && files.stat(at)?.isDirectory()) onlyDeletedBelow(path)
      else if (!deleted.has(path)) block("untracked_in_the_way", path)
    }
  }

  const obstructed = (effect: NetEffect, obstacle: Obstacle): void => {
    const { path, before } = effect
    if (obstacle.kind !== "missing" && !deleted.has(obstacle.folder)) {
      block(obstacle.kind === "link" ? "symlinked_parent" : "untracked_in_the_way", obstacle.folder)
    } else if (before !== null && !indexOnly.has(path)) block("dirty", path)
  }

  /** Git takes a submodule's folder, absent or with anything in it, for the submodule. */
  const submodule = ({ path, before, after }: NetEffect, stat: BigIntStats | null): void => {
    if (stat === null || (before !== null && !isSubmodule(before))) return
    if (!stat.isDirectory()) {
      block(before === null ? "untracked_in_the_way" : "dirty", path)
      return
    }
    const place = folders.locate(`${path}/.`)
    const names = typeof place === "string" ? files.list(place.slice(0, -2)) : []
    if (!isSubmodule(before)) {
      if (names.length > 0 && !names.includes(".git")) onlyDeletedBelow(path)
      return
    }
    const isReplaced =
      after === null ? net.some((other) => other.path.startsWith(`${path}/`)) : !isSubmodule(after)
    if (names.length > 0 && isReplaced) block("untracked_in_the_way", path)
  }

  const checkedOut = (effect: NetEffect): void => {
    const { path, before } = effect
    const at = folders.locate(path)
    if (typeof at !== "string") {
      obstructed(effect, at)
      return
    }
    const stat = files.stat(at)
    if (isSubmodule(before) || isSubmodule(effect.after)) {
      submodule(effect, stat)
      if (before === null || isSubmodule(before)) return
    }
    if (before === null) {
      if (stat?.isDirectory()) onlyDeletedBelow(path)
      else if (stat) block("untracked_in_the_way", path)
      return
    }
    if (!stat) {
      if (!indexOnly.has(path)) block("dirty", path)
      return
    }
    // Present although marked as not checked out: an ordinary file then.
    indexOnly.delete(path)
    if (stat.isFile() && stat.nlink !== 1n) {
      block("special_file", path)
      return
    }
    const identity = identityOf(stat)
    if (known.get(path) === identity || statHolds(files, at, stat, before, fileMode))
      identities.set(path, identity)
    else block("dirty", path)
  }

  for (const effect of net) {
    staged(effect)
    collision(effect)
    checkedOut(effect)
    if (effect.after === null || indexOnly.has(effect.path)) continue
    for (const folder of parentsOf(effect.path)) {
      if (typeof folders.locate(`${folder}/.`) !== "string") newFolders.add(folder)
    }
  }
  const reason = PRECEDENCE.find((candidate) => found.has(candidate))
  if (reason !== undefined) {
    return fail(new LandingBlocked({ reason, paths: Array.from(found.get(reason)!), detail: "" }))
  }
  return ok({ indexOnly, newFolders: Array.from(newFolders), identities })
}
