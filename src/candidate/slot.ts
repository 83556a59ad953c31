import {
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  unlinkSync,
  writeFileSync,
} from "node:fs"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { CandidateFailed, detailOf, SlotsBusy } from "./errors.ts"
import { remove } from "./tree-files.ts"

/** A folder that only we use until the scope closes. `tree` is the candidate, `state` what it holds. */
export interface Slot {
  readonly folder: string
  readonly tree: string
  readonly state: string
}

const MAX_SLOTS = 64

const read = (path: string): string | null => {
  try {
    return readFileSync(path, "utf8")
  } catch {
    return null
  }
}

export const bootId = (): string => read("/proc/sys/kernel/random/boot_id")?.trim() ?? ""

/** A process id is reused; together with the moment its process started it is not. */
const startOf = (pid: number): string => {
  const stat = read(`/proc/${pid}/stat`)
  return stat?.slice(stat.lastIndexOf(")") + 2).split(" ")[19] ?? ""
}

const ownerLine = (): string => `${process.pid} ${startOf(process.pid)} ${bootId()}\n`

const isHeld = (line: string): boolean => {
  const [pid, start, boot] = line.trim().split(" ")
  if (boot !== bootId()) return false
  try {
    process.kill(Number(pid), 0)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EPERM") return false
  }
  return startOf(Number(pid)) === start
}

/** Creates `path` with our name in it, whole or not at all: `link` is the only step that makes it appear. */
const claim = (path: string): boolean => {
  const draft = mkdtempSync(`${path}.`)
  try {
    writeFileSync(join(draft, "owner"), ownerLine())
    linkSync(join(draft, "owner"), path)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false
    throw error
  } finally {
    rmSync(draft, { recursive: true })
  }
}

/**
 * Removes a dead process's lock. Only the holder of `reclaim` may, and it looks again first, so two reclaimers never
 * remove the lock of a living third. Dying right here costs one warm slot, never a double owner.
 */
const reclaim = (lock: string): boolean => {
  const line = read(lock)
  if (line === null || isHeld(line) || !claim(`${lock}.reclaim`)) return false
  try {
    if (read(lock) !== line) return false
    unlinkSync(lock)
    return claim(lock)
  } finally {
    unlinkSync(`${lock}.reclaim`)
  }
}

/**
 * The tree of an owner that died may still have a process in it. Moved away and removed, it keeps that process's
 * relative writes out of the next candidate.
 */
const bury = (folder: string): void => {
  const tree = join(folder, "tree")
  if (existsSync(tree)) renameSync(tree, join(mkdtempSync(join(folder, "dead-")), "tree"))
  for (const name of readdirSync(folder)) {
    if (!name.startsWith("dead-")) continue
    try {
      remove(join(folder, name))
    } catch {
      // Its process still writes: the next one to bury here takes it along.
    }
  }
}

const take = (root: string): Slot | null => {
  for (let number = 0; number < MAX_SLOTS; number++) {
    const folder = join(root, `slot-${number}`)
    mkdirSync(folder, { recursive: true, mode: 0o700 })
    const lock = join(folder, "lock")
    const isFree = claim(lock)
    if (!isFree && !reclaim(lock)) continue
    if (!isFree) bury(folder)
    return { folder, tree: join(folder, "tree"), state: join(folder, "state.json") }
  }
  return null
}

/** The first free slot below `root`; slots of processes that died are free. */
export const acquireSlot = (root: string): Effect.Effect<Slot, CandidateFailed | SlotsBusy, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.try({
      try: () => take(root),
      catch: (error) => new CandidateFailed({ operation: "read_slot", path: root, detail: detailOf(error) }),
    }).pipe(
      Effect.filterOrFail(
        (slot) => slot !== null,
        () => new SlotsBusy({ root, slots: MAX_SLOTS }),
      ),
    ),
    (slot) => Effect.sync(() => rmSync(join(slot.folder, "lock"), { force: true })),
  )
