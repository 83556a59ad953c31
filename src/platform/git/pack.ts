import { crc32, deflateSync } from "node:zlib"
import type { GitObject, ObjectType, Oid } from "./objects.ts"

const TYPE_CODE: Record<ObjectType, number> = { commit: 1, tree: 2, blob: 3, tag: 4 }

/** `name` is the pack's own checksum, as git names its packs: `pack-<name>.pack` and `.idx`. */
export interface EncodedPack {
  readonly name: Oid
  readonly pack: Uint8Array
  readonly index: Uint8Array
}

const sha1 = (...parts: readonly Uint8Array[]): Buffer => {
  const hasher = new Bun.CryptoHasher("sha1")
  for (const part of parts) hasher.update(part)
  return hasher.digest()
}

const entryHeader = (type: ObjectType, size: number): Buffer => {
  const bytes = [(TYPE_CODE[type] << 4) | (size & 15)]
  let rest = Math.floor(size / 16)
  while (rest > 0) {
    bytes[bytes.length - 1]! |= 0x80
    bytes.push(rest & 0x7f)
    rest = Math.floor(rest / 128)
  }
  return Buffer.from(bytes)
}

interface Packed {
  readonly oid: Oid
  readonly crc: number
  readonly offset: number
}

/** Index version 2 (gitformat-pack). Offsets stay below 2 GiB: a landing never packs that much. */
const encodeIndex = (packed: readonly Packed[], packSum: Uint8Array): Uint8Array => {
  const sorted = packed.toSorted((left, right) => (left.oid < right.oid ? -1 : 1))
  const count = sorted.length
  const out = Buffer.alloc(8 + 1024 + count * 28)
  out.writeUInt32BE(0xff744f63, 0)
  out.writeUInt32BE(2, 4)
  let at = 0
  for (let fanout = 0; fanout < 256; fanout++) {
    while (at < count && Number.parseInt(sorted[at]!.oid.slice(0, 2), 16) <= fanout) at++
    out.writeUInt32BE(at, 8 + fanout * 4)
  }
  for (const [row, entry] of sorted.entries()) {
    out.write(entry.oid, 1032 + row * 20, "hex")
    out.writeUInt32BE(entry.crc, 1032 + count * 20 + row * 4)
    out.writeUInt32BE(entry.offset, 1032 + count * 24 + row * 4)
  }
  return Buffer.concat([out, packSum, sha1(out, packSum)])
}

/** One pack without deltas, and its index. Objects must be distinct. */
export const encodePack = (objects: readonly GitObject[]): EncodedPack => {
  const header = Buffer.alloc(12)
  header.write("PACK", 0, "latin1")
  header.writeUInt32BE(2, 4)
  header.writeUInt32BE(objects.length, 8)
  const parts: Uint8Array[] = [header]
  const packed: Packed[] = []
  let offset = header.length
  for (const object of objects) {
    const head = entryHeader(object.type, object.body.length)
    const body = deflateSync(object.body, { level: 1 })
    packed.push({ oid: object.oid, crc: crc32(body, crc32(head)), offset })
    parts.push(head, body)
    offset += head.length + body.length
  }
  const sum = sha1(...parts)
  return { name: sum.toString("hex"), pack: Buffer.concat([...parts, sum]), index: encodeIndex(packed, sum) }
}
