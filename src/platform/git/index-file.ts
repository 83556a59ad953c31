import type { BigIntStats } from "node:fs"
import type { FileMode } from "../../domain/files.ts"
import { fail, ok, type Result } from "../../domain/result.ts"
import { invalidateCacheTree } from "./cache-tree.ts"
import type { Oid } from "./objects.ts"
import { byteStringToBytes } from "./path-bytes.ts"

/** One entry of a git index, still in its bytes. `name` is a byte string. */
export interface IndexEntry {
  readonly name: string
  /** Where the entry's raw bytes begin and end in `GitIndex.bytes`. */
  readonly start: number
  readonly end: number
  readonly mode: FileMode
  readonly oid: Oid
  /** 0, or 1-3 while a merge is unresolved. */
  readonly stage: number
  readonly skipWorktree: boolean
  readonly intentToAdd: boolean
}

/** A parsed index (gitformat-index, versions 2 to 4). Entries are sorted by name, then stage. */
export interface GitIndex {
  readonly version: number
  readonly bytes: Buffer
  readonly entries: readonly IndexEntry[]
  /** Where the entries end and the extensions begin. */
  readonly entriesEnd: number
}

/** What an entry becomes. Without `stat` git compares contents at its next look. */
export interface IndexTarget {
  readonly mode: FileMode
  readonly oid: Oid
  readonly stat: BigIntStats | null
  readonly skipWorktree: boolean
}

const SIGNATURE = "DIRC"
const STAT_LENGTH = 40
const EXTENDED = 0x4000
const SKIP_WORKTREE = 0x4000
const INTENT_TO_ADD = 0x2000
const SIZE_FIELD = 36

const EMPTY: GitIndex = { version: 2, bytes: Buffer.alloc(0), entries: [], entriesEnd: 12 }

const sha1 = (bytes: Uint8Array): Buffer => new Bun.CryptoHasher("sha1").update(bytes).digest()

const fileMode = (mode: number): FileMode => {
  const type = mode & 0o170000
  if (type === 0o120000) return "120000"
  if (type === 0o160000) return "160000"
  return mode & 0o100 ? "100755" : "100644"
}

/** Git's offset encoding: as in pack offsets, most significant group first. */
const readVarint = (bytes: Buffer, from: number): readonly [number, number] => {
  let at = from
  let byte = bytes[at++]!
  let value = byte & 0x7f
  while (byte & 0x80) {
    byte = bytes[at++]!
    value = (value + 1) * 128 + (byte & 0x7f)
  }
  return [value, at]
}

const writeVarint = (value: number): Buffer => {
  const groups = [value & 0x7f]
  for (let rest = Math.floor(value / 128); rest > 0; rest = Math.floor(rest / 128)) {
    rest -= 1
    groups.unshift(0x80 | (rest & 0x7f))
  }
  return Buffer.from(groups)
}

const nameOffset = (bytes: Buffer, start: number): number =>
  start + STAT_LENGTH + 22 + (bytes.readUInt16BE(start + STAT_LENGTH + 20) & EXTENDED ? 2 : 0)

const readEntry = (bytes: Buffer, start: number, version: number, previous: string): IndexEntry => {
  const flags = bytes.readUInt16BE(start + STAT_LENGTH + 20)
  const extended = flags & EXTENDED ? bytes.readUInt16BE(start + STAT_LENGTH + 22) : 0
  let at = nameOffset(bytes, start)
  let kept = ""
  if (version === 4) {
    const [strip, next] = readVarint(bytes, at)
    kept = previous.slice(0, previous.length - strip)
    at = next
  }
  const nul = bytes.indexOf(0, at)
  return {
    name: kept + bytes.toString("latin1", at, nul),
    start,
    end: version === 4 ? nul + 1 : start + ((nul - start + 8) & ~7),
    mode: fileMode(bytes.readUInt32BE(start + 24)),
    oid: bytes.toString("hex", start + STAT_LENGTH, start + STAT_LENGTH + 20),
    stage: (flags >> 12) & 3,
    skipWorktree: (extended & SKIP_WORKTREE) !== 0,
    intentToAdd: (extended & INTENT_TO_ADD) !== 0,
  }
}

/** Extensions as (signature, data). An unknown one must be understood when its name begins in lower case. */
const extensionsOf = (index: GitIndex): readonly (readonly [string, Buffer])[] => {
  const found: (readonly [string, Buffer])[] = []
  for (let at = index.entriesEnd; at + 8 <= index.bytes.length - 20; ) {
    const size = index.bytes.readUInt32BE(at + 4)
    found.push([index.bytes.toString("latin1", at, at + 4), index.bytes.subarray(at + 8, at + 8 + size)])
    at += 8 + size
  }
  return found
}

/** `null` bytes = no index yet. The problem names what we cannot handle (`split index`, `sparse index`, damage). */
export const parseIndex = (bytes: Buffer | null): Result<GitIndex, string> => {
  if (bytes === null) return ok(EMPTY)
  try {
    if (bytes.length < 32 || bytes.toString("latin1", 0, 4) !== SIGNATURE) return fail("damaged index")
    const version = bytes.readUInt32BE(4)
    if (version < 2 || version > 4) return fail(`index version ${version}`)
    const trailer = bytes.subarray(-20)
    if (trailer.some((byte) => byte !== 0) && !sha1(bytes.subarray(0, -20)).equals(trailer)) {
      return fail("damaged index")
    }
    const entries: IndexEntry[] = []
    let at = 12
    let previous = ""
    for (let left = bytes.readUInt32BE(8); left > 0; left--) {
      const entry = readEntry(bytes, at, version, previous)
      entries.push(entry)
      at = entry.end
      previous = entry.name
    }
    const index: GitIndex = { version, bytes, entries, entriesEnd: at }
    for (const [name] of extensionsOf(index)) {
      if (name === "link") return fail("split index")
      if (name === "sdir") return fail("sparse index")
      if (name < "A" || name > "Z~") return fail(`index extension ${name}`)
    }
    return ok(index)
  } catch (error) {
    if (error instanceof RangeError) return fail("damaged index")
    throw error
  }
}

/** The position of the first entry whose name is not before `name`. */
const lowerBound = (index: GitIndex, name: string): number => {
  let low = 0
  let high = index.entries.length
  while (low < high) {
    const middle = (low + high) >> 1
    if (index.entries[middle]!.name < name) low = middle + 1
    else high = middle
  }
  return low
}

/** Every stage of one name; empty when it is not in the index. */
export const entriesOf = (index: GitIndex, name: string): readonly IndexEntry[] => {
  const found: IndexEntry[] = []
  for (let at = lowerBound(index, name); index.entries[at]?.name === name; at++)
    found.push(index.entries[at]!)
  return found
}

/** An entry that cannot stand beside a file `name`: one of its parents as a file, or a file below it. */
export const collidingEntry = (
  index: GitIndex,
  name: string,
  removed: (name: string) => boolean,
): string | null => {
  for (let slash = name.indexOf("/"); slash >= 0; slash = name.indexOf("/", slash + 1)) {
    const parent = name.slice(0, slash)
    if (!removed(parent) && entriesOf(index, parent).length > 0) return parent
  }
  const below = `${name}/`
  for (let at = lowerBound(index, below); index.entries[at]?.name.startsWith(below); at++) {
    if (!removed(index.entries[at]!.name)) return index.entries[at]!.name
  }
  return null
}

const low32 = (value: bigint): number => Number(value & 0xffffffffn)

const encodeFixed = (name: string, target: IndexTarget): Buffer => {
  const out = Buffer.alloc(STAT_LENGTH + 22 + (target.skipWorktree ? 2 : 0))
  const stat = target.stat
  if (stat) {
    const { ctimeNs, mtimeNs } = stat
    const billion = 1_000_000_000n
    const fields = [
      ctimeNs / billion,
      ctimeNs % billion,
      mtimeNs / billion,
      mtimeNs % billion,
      stat.dev,
      stat.ino,
    ]
    for (const [at, field] of fields.entries()) out.writeUInt32BE(low32(field), at * 4)
    out.writeUInt32BE(low32(stat.uid), 28)
    out.writeUInt32BE(low32(stat.gid), 32)
    out.writeUInt32BE(low32(stat.size), SIZE_FIELD)
  }
  out.writeUInt32BE(Number.parseInt(target.mode, 8), 24)
  out.write(target.oid, STAT_LENGTH, "hex")
  out.writeUInt16BE(Math.min(name.length, 0xfff) | (target.skipWorktree ? EXTENDED : 0), STAT_LENGTH + 20)
  if (target.skipWorktree) out.writeUInt16BE(SKIP_WORKTREE, STAT_LENGTH + 22)
  return out
}

const commonPrefix = (left: string, right: string): number => {
  let at = 0
  while (at < left.length && left.charCodeAt(at) === right.charCodeAt(at)) at++
  return at
}

const withName = (version: number, fixed: Buffer, name: string, previous: string): Buffer => {
  if (version === 4) {
    const shared = commonPrefix(previous, name)
    const suffix = byteStringToBytes(name.slice(shared))
    return Buffer.concat([fixed, writeVarint(previous.length - shared), suffix, Buffer.from([0])])
  }
  const length = (fixed.length + name.length + 8) & ~7
  const out = Buffer.alloc(length)
  fixed.copy(out)
  out.write(name, fixed.length, "latin1")
  return out
}

/**
 * The index after setting (or, with null, removing) the named entries. Entries in `doubtful` lose their recorded
 * size, git's own mark for "compare contents". Optional extensions other than the cached trees are left out.
 */
export const editIndex = (
  index: GitIndex,
  edits: ReadonlyMap<string, IndexTarget | null>,
  doubtful: ReadonlySet<string>,
): Buffer => {
  const { version, bytes } = index
  const pieces: Buffer[] = []
  const names = Array.from(edits.keys()).sort()
  let run = null as readonly [number, number] | null
  let previous = ""
  let count = 0
  let next = 0
  const flush = () => {
    if (run) pieces.push(bytes.subarray(run[0], run[1]))
    run = null
  }
  const put = (fixed: Buffer, name: string) => {
    flush()
    pieces.push(withName(version, fixed, name, previous))
    previous = name
    count++
  }
  const putEdit = (name: string) => {
    const target = edits.get(name)
    if (target) put(encodeFixed(name, target), name)
  }
  for (const entry of index.entries) {
    while (next < names.length && names[next]! < entry.name) putEdit(names[next++]!)
    if (edits.has(entry.name)) continue
    if (version < 4 && !doubtful.has(entry.name)) {
      if (run?.[1] !== entry.start) flush()
      run = [run?.[0] ?? entry.start, entry.end]
      previous = entry.name
      count++
      continue
    }
    const fixed = Buffer.from(bytes.subarray(entry.start, nameOffset(bytes, entry.start)))
    if (doubtful.has(entry.name)) fixed.writeUInt32BE(0, SIZE_FIELD)
    put(fixed, entry.name)
  }
  while (next < names.length) putEdit(names[next++]!)
  flush()
  const cached = extensionsOf(index).find(([name]) => name === "TREE")?.[1]
  if (cached) pieces.push(...extension("TREE", invalidateCacheTree(cached, names)))
  const header = Buffer.alloc(12)
  header.write(SIGNATURE, "latin1")
  header.writeUInt32BE(version, 4)
  header.writeUInt32BE(count, 8)
  const body = Buffer.concat([header, ...pieces])
  return Buffer.concat([body, sha1(body)])
}

const extension = (name: string, data: Buffer): readonly Buffer[] => {
  if (data.length === 0) return []
  const head = Buffer.alloc(8)
  head.write(name, "latin1")
  head.writeUInt32BE(data.length, 4)
  return [head, data]
}

/** Recorded modification time of an entry, in nanoseconds, and what else git compares with lstat. */
export const entryStat = (index: GitIndex, entry: IndexEntry) => {
  const field = (at: number) => index.bytes.readUInt32BE(entry.start + at)
  return {
    ctimeNs: BigInt(field(0)) * 1_000_000_000n + BigInt(field(4)),
    mtimeNs: BigInt(field(8)) * 1_000_000_000n + BigInt(field(12)),
    ino: field(20),
    size: field(SIZE_FIELD),
  }
}
