import { lstatSync, readdirSync, readFileSync, readlinkSync, type Stats } from "node:fs"
import { sha256Hex } from "../domain/hash.ts"

/** What was seen of a working tree: nothing but names and stamps. Paths are relative, without a slash at the end. */
export interface TreeMemory {
  readonly files: Map<string, string>
  readonly folders: Map<string, string>
  /** What is nobody's file here: ignored by git, ours, or another repository. */
  readonly ignored: Set<string>
}

export interface SeenChange {
  readonly path: string
  readonly event: "added" | "modified" | "deleted"
  /** Tells this state of the file from any other; empty when it is gone. */
  readonly stamp: string
  readonly size: number
}

/** At the top of a workspace: the repository's, and Hyperion's own. */
const OURS: ReadonlySet<string> = new Set([".git", ".hyperion", "execution", "taskjson", "plans"])
/** Of a changed file that a landing may have written; a larger one is taken for somebody else's. */
const MOST_BYTES = 64 * 1024 * 1024

const attempt = <A>(body: () => A): A | null => {
  try {
    return body()
  } catch {
    return null
  }
}

const below = (root: string, path: string): string => (path === "" ? root : `${root}/${path}`)
const statOf = (root: string, path: string): Stats | null =>
  lstatSync(below(root, path), { throwIfNoEntry: false }) ?? null
const stampOf = (stat: Stats): string =>
  `${stat.ino} ${stat.size} ${stat.mtimeMs} ${stat.ctimeMs} ${stat.mode}`
const isContent = (stat: Stats): boolean => stat.isFile() || stat.isSymbolicLink()

export const isOurs = (path: string): boolean => OURS.has(path.split("/", 1)[0]!)

/** Remembers a tree as it is now: these files, and the folders they lie in. */
export const rememberTree = (root: string, paths: readonly string[]): TreeMemory => {
  const memory: TreeMemory = { files: new Map(), folders: new Map([["", ""]]), ignored: new Set() }
  for (const path of paths) {
    const stat = isOurs(path) ? null : attempt(() => statOf(root, path))
    if (!stat || !isContent(stat)) continue
    memory.files.set(path, stampOf(stat))
    for (let at = path.lastIndexOf("/"); at > 0; at = path.lastIndexOf("/", at - 1)) {
      const folder = path.slice(0, at)
      if (memory.folders.has(folder)) break
      memory.folders.set(folder, "")
    }
  }
  return memory
}

/** Which of these remembered files are not what they were; remembers what they are now. */
export const changedFiles = (
  root: string,
  memory: TreeMemory,
  paths: Iterable<string>,
): readonly SeenChange[] => {
  const changes: SeenChange[] = []
  for (const path of paths) {
    const stat = attempt(() => statOf(root, path))
    if (!stat || !isContent(stat)) {
      memory.files.delete(path)
      changes.push({ path, event: "deleted", stamp: "", size: 0 })
      continue
    }
    const stamp = stampOf(stat)
    if (memory.files.get(path) === stamp) continue
    memory.files.set(path, stamp)
    changes.push({ path, event: "modified", stamp, size: stat.size })
  }
  return changes
}

/** Names that are new in remembered folders; a folder's ends with a slash. Folders that are gone are forgotten. */
export const newNames = (root: string, memory: TreeMemory): readonly string[] => {
  const found: string[] = []
  for (const [folder, before] of memory.folders) {
    const stat = attempt(() => statOf(root, folder))
    if (!stat?.isDirectory()) {
      memory.folders.delete(folder)
      continue
    }
    const stamp = stampOf(stat)
    if (stamp === before) continue
    memory.folders.set(folder, stamp)
    const entries = attempt(() => readdirSync(below(root, folder), { withFileTypes: true })) ?? []
    for (const entry of entries) {
      const path = folder === "" ? entry.name : `${folder}/${entry.name}`
      if (memory.files.has(path) || memory.folders.has(path) || memory.ignored.has(path) || isOurs(path))
        continue
      if (entry.isDirectory()) found.push(`${path}/`)
      else if (entry.isFile() || entry.isSymbolicLink()) found.push(path)
    }
  }
  return found
}

/** Takes in a name that `newNames` gave: a file as an addition, a folder to be looked into, unless it is a repository. */
export const takeIn = (root: string, memory: TreeMemory, name: string): SeenChange | null => {
  if (name.endsWith("/")) {
    const folder = name.slice(0, -1)
    if (attempt(() => statOf(root, `${folder}/.git`))) memory.ignored.add(folder)
    else memory.folders.set(folder, "")
    return null
  }
  const stat = attempt(() => statOf(root, name))
  if (!stat || !isContent(stat)) return null
  const stamp = stampOf(stat)
  memory.files.set(name, stamp)
  return { path: name, event: "added", stamp, size: stat.size }
}

/** SHA-256 of a file's bytes, or of a link's target; null when there is none, or it is too large to be asked. */
export const contentHash = (root: string, path: string): string | null =>
  attempt(() => {
    const stat = statOf(root, path)
    if (!stat || stat.size > MOST_BYTES) return null
    if (stat.isSymbolicLink()) return sha256Hex(readlinkSync(below(root, path), "buffer"))
    return stat.isFile() ? sha256Hex(readFileSync(below(root, path))) : null
  })
