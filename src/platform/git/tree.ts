import type { FileMode } from "../../domain/files.ts"
import type { Oid } from "./objects.ts"
import { byteStringToBytes } from "./path-bytes.ts"

/** What a tree entry points at; `40000` is a subtree. */
export interface TreeTarget {
  readonly mode: FileMode | "40000"
  readonly oid: Oid
}

/** `name` is a byte string (see path-bytes.ts). */
export interface TreeEntry extends TreeTarget {
  readonly name: string
}

const SPACE = 0x20
const SLASH = 0x2f

const octal = (body: Uint8Array, start: number, end: number): number => {
  let value = 0
  for (let at = start; at < end; at++) value = value * 8 + (body[at]! - 0x30)
  return value
}

/** Old trees carry modes such as 100664: git reads them by type and owner's exec bit. */
const targetMode = (mode: number): FileMode | "40000" => {
  const type = mode & 0o170000
  if (type === 0o040000) return "40000"
  if (type === 0o120000) return "120000"
  if (type === 0o160000) return "160000"
  return mode & 0o100 ? "100755" : "100644"
}

const hexAt = (body: Uint8Array, at: number): Oid =>
  Buffer.from(body.buffer, body.byteOffset + at, 20).toString("hex")

/** Calls `visit` per entry, in order, until it returns true. False: the body is not a well-formed tree. */
const scan = (
  body: Uint8Array,
  visit: (start: number, nameStart: number, nameEnd: number, isTree: boolean) => boolean,
): boolean => {
  for (let at = 0; at < body.length; ) {
    let space = at
    while (body[space] !== SPACE && space < body.length) space++
    let end = space + 1
    while (body[end] !== 0 && end < body.length) end++
    if (end + 21 > body.length) return false
    const isTree = body[at] === 0x34 || body[at] === 0x30
    if (visit(at, space + 1, end, isTree)) return true
    at = end + 21
  }
  return true
}

const entryAt = (body: Uint8Array, start: number, nameStart: number, nameEnd: number): TreeEntry => ({
  name: Buffer.from(body.buffer, body.byteOffset + nameStart, nameEnd - nameStart).toString("latin1"),
  mode: targetMode(octal(body, start, nameStart - 1)),
  oid: hexAt(body, nameEnd + 1),
})

/** The entries of a tree body in git's order; null when it is malformed. */
export const parseTree = (body: Uint8Array): readonly TreeEntry[] | null => {
  const entries: TreeEntry[] = []
  const whole = scan(body, (start, nameStart, nameEnd) => {
    entries.push(entryAt(body, start, nameStart, nameEnd))
    return false
  })
  return whole ? entries : null
}

export const findEntry = (body: Uint8Array, name: string): TreeTarget | null => {
  const wanted = byteStringToBytes(name)
  let found: TreeTarget | null = null
  scan(body, (start, nameStart, nameEnd) => {
    if (nameEnd - nameStart !== wanted.length) return false
    for (let at = 0; at < wanted.length; at++) if (body[nameStart + at] !== wanted[at]) return false
    found = entryAt(body, start, nameStart, nameEnd)
    return true
  })
  return found
}

const encodeEntry = (name: string, target: TreeTarget): Buffer =>
  Buffer.concat([byteStringToBytes(`${target.mode} ${name}\0`), Buffer.from(target.oid, "hex")])

/** Git compares a subtree's name as if it ended in a slash. */
const compareKey = (
  body: Uint8Array,
  start: number,
  end: number,
  isTree: boolean,
  key: Uint8Array,
): number => {
  const length = end - start
  for (let at = 0; at < key.length; at++) {
    const byte = at < length ? body[start + at]! : at === length && isTree ? SLASH : -1
    if (byte !== key[at]) return byte < key[at]! ? -1 : 1
  }
  return length + (isTree ? 1 : 0) === key.length ? 0 : 1
}

/**
 * The body after setting (or, with null, removing) the named entries. Untouched entries keep their very bytes.
 * One pass, O(entries + edits).
 */
export const editTreeBody = (body: Uint8Array, edits: ReadonlyMap<string, TreeTarget | null>): Uint8Array => {
  const keys: { key: Buffer; emit: Buffer | null }[] = []
  for (const [name, target] of edits) {
    const entry = target && encodeEntry(name, target)
    const intoTree = target?.mode === "40000"
    keys.push({ key: byteStringToBytes(name), emit: intoTree ? null : entry })
    keys.push({ key: byteStringToBytes(`${name}/`), emit: intoTree ? entry : null })
  }
  keys.sort((left, right) => Buffer.compare(left.key, right.key))
  const pieces: Uint8Array[] = []
  let run = 0
  let next = 0
  const emit = (upTo: number) => {
    if (upTo > run) pieces.push(body.subarray(run, upTo))
    run = upTo
    const { emit: entry } = keys[next++]!
    if (entry) pieces.push(entry)
  }
  scan(body, (start, nameStart, nameEnd, isTree) => {
    while (next < keys.length) {
      const order = compareKey(body, nameStart, nameEnd, isTree, keys[next]!.key)
      if (order < 0) return false
      emit(start)
      if (order === 0) {
        run = nameEnd + 21
        return false
      }
    }
    return true
  })
  while (next < keys.length) emit(body.length)
  if (run < body.length) pieces.push(body.subarray(run))
  return Buffer.concat(pieces)
}

export const serialiseTree = (entries: Iterable<TreeEntry>): Uint8Array =>
  editTreeBody(new Uint8Array(), new Map(Array.from(entries, (entry) => [entry.name, entry])))
