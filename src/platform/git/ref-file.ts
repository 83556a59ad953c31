import {
  appendFileSync,
  closeSync,
  existsSync,
  fstatSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  readSync,
  renameSync,
  unlinkSync,
  writeFileSync,
  writeSync,
} from "node:fs"
import { dirname } from "node:path"
import type { RepositoryLayout } from "./layout.ts"
import { flushPaths } from "./object-store.ts"
import { type Oid, type Signature, signatureLine, ZERO_OID } from "./objects.ts"
import { followRef } from "./refs.ts"

export interface MarkedRefUpdate {
  /** Full name of a ref that is no symbolic one. */
  readonly ref: string
  readonly newOid: Oid | null
  readonly expected: Oid | null
  readonly message: string
  readonly durable: boolean
  readonly gitDir?: string
  /** Of letters, digits, `.`, `_` and `-`; the same at recovery. */
  readonly mark: string
  /** `prepareRefFile` was called for it. */
  readonly isPrepared?: boolean
  /** The caller flushes `refFolders` before it relies on the move. */
  readonly flushesLater?: boolean
  readonly who: Signature
}

/** Git, or another one of us, holds the ref's lock. */
export class RefLocked extends Error {
  readonly code = "REF_LOCKED"
}

const codeOf = (error: unknown): unknown => (error as { readonly code?: unknown }).code

const drop = (path: string): void => {
  try {
    unlinkSync(path)
  } catch (error) {
    if (codeOf(error) !== "ENOENT") throw error
  }
}

const contentOf = (mark: string): string => `hyperion ${mark}\n`

const namesOf = (layout: RepositoryLayout, ref: string, mark: string) => ({
  lock: `${layout.commonDir}/${ref}.lock`,
  mine: `${layout.commonDir}/hyperion-${mark}.reflock`,
  value: `${layout.commonDir}/hyperion-${mark}.ref`,
  file: `${layout.commonDir}/${ref}`,
})

const writeNew = (path: string, text: string): void => {
  drop(path)
  const fd = openSync(path, "wx", 0o666)
  try {
    const bytes = Buffer.from(text)
    for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at, bytes.length - at)
  } finally {
    closeSync(fd)
  }
}

/** As git keeps them: always where a log exists already, else where `core.logAllRefUpdates` asks for it. */
const log = (layout: RepositoryLayout, path: string, line: string): void => {
  if (!existsSync(path)) {
    if (!layout.logsRefs) return
    mkdirSync(dirname(path), { recursive: true })
  }
  const fd = openSync(path, "a+", 0o666)
  try {
    const { size } = fstatSync(fd)
    const last = Buffer.alloc(1)
    if (size > 0) readSync(fd, last, 0, 1, size - 1)
    // Half a line, left by whoever died in it, must not swallow ours.
    appendFileSync(fd, size > 0 && last[0] !== 10 ? `\n${line}` : line)
  } finally {
    closeSync(fd)
  }
}

const packed = (layout: RepositoryLayout, ref: string): boolean => {
  try {
    return readFileSync(`${layout.commonDir}/packed-refs`, "utf8").includes(` ${ref}\n`)
  } catch {
    return false
  }
}

const LOCK_TRIES = 40
const LOCK_PAUSE_MS = 5

/** Where the file system has no hard links the lock is empty for an instant. */
const makeLock = (lock: string, mine: string, content: string): void => {
  try {
    linkSync(mine, lock)
  } catch (error) {
    if (codeOf(error) !== "EPERM" && codeOf(error) !== "ENOTSUP") throw error
    writeFileSync(lock, content, { flag: "wx" })
  }
}

/** The lock appears complete, with our mark in it, so that a dead owner can be told from a live one. */
const takeLock = async (lock: string, mine: string, content: string): Promise<void> => {
  mkdirSync(dirname(lock), { recursive: true })
  for (let left = LOCK_TRIES; ; left--) {
    try {
      makeLock(lock, mine, content)
      return
    } catch (error) {
      if (codeOf(error) !== "EEXIST") throw error
      if (left <= 0) throw new RefLocked(`${lock} is taken`)
      await Bun.sleep(LOCK_PAUSE_MS)
    }
  }
}

/** Writes what `updateRefFile` needs; gives the files back, to be flushed together with others. */
export const prepareRefFile = (
  layout: RepositoryLayout,
  ref: string,
  newOid: Oid | null,
  mark: string,
): readonly string[] => {
  const { mine, value } = namesOf(layout, ref, mark)
  writeNew(mine, contentOf(mark))
  if (newOid === null) return [mine]
  writeNew(value, `${newOid}\n`)
  return [mine, value]
}

/** Folders whose names a moved ref is made of. */
export const refFolders = (layout: RepositoryLayout, ref: string): readonly string[] => {
  const folders = [layout.commonDir]
  const file = `${layout.commonDir}/${ref}`
  for (let at = dirname(file); at !== layout.commonDir; at = dirname(at)) folders.push(at)
  return folders
}

/**
 * Compare-and-swap of a ref kept as a file, in this process: what `git update-ref` does, but each lock says whose it
 * is. `moved`: false when the ref was not at `expected`. Throws the system's error; `releaseRef` clears what is left.
 */
export const updateRefFile = async (
  layout: RepositoryLayout,
  update: MarkedRefUpdate,
  pass: (step: string) => void,
): Promise<boolean> => {
  const { ref, newOid, expected, durable } = update
  const { lock, mine, value, file } = namesOf(layout, ref, update.mark)
  let isLocked = false
  try {
    pass("ref.mark")
    if (update.isPrepared !== true) {
      const written = prepareRefFile(layout, ref, newOid, update.mark)
      if (durable) await flushPaths(written)
    }
    pass("ref.lock")
    await takeLock(lock, mine, contentOf(update.mark))
    isLocked = true
    if (followRef(layout, ref).oid !== expected) return false
    if (newOid === null && packed(layout, ref)) throw new RefLocked(`${ref} is packed`)
    const line = `${expected ?? ZERO_OID} ${newOid ?? ZERO_OID} ${signatureLine(update.who)}\t${update.message.replace(/\s+/g, " ").trim()}\n`
    pass("ref.log")
    if (newOid === null) drop(`${layout.commonDir}/logs/${ref}`)
    else log(layout, `${layout.commonDir}/logs/${ref}`, line)
    if (update.gitDir !== undefined) log(layout, `${update.gitDir}/logs/HEAD`, line)
    pass("ref.move")
    if (newOid === null) drop(file)
    else renameSync(value, file)
    pass("ref.unlock")
    drop(lock)
    isLocked = false
    // The lock goes first: once the move is durable, so is that nobody holds it.
    if (durable && update.flushesLater !== true) await flushPaths(refFolders(layout, ref))
    return true
  } finally {
    if (isLocked) drop(lock)
    drop(mine)
    drop(value)
  }
}

/** Removes what a dead `updateRefFile` of this mark left; nothing that is somebody else's. */
export const releaseRefFile = (layout: RepositoryLayout, ref: string, mark: string): void => {
  const { lock, mine, value } = namesOf(layout, ref, mark)
  try {
    if (readFileSync(lock, "utf8") === contentOf(mark)) drop(lock)
  } catch (error) {
    if (codeOf(error) !== "ENOENT") throw error
  }
  drop(mine)
  drop(value)
}
