import type { FileMode } from "../domain/files.ts"
import { pathToBytes } from "../platform/git/path-bytes.ts"
import type { WrittenFile } from "./slot-state.ts"

const HEADER = 62

const modeBits = (mode: FileMode): number => Number.parseInt(mode, 8)

/**
 * A git index (version 2) that says the files are checked out unchanged, so `git status`, `git diff` and `git ls-files`
 * answer in a candidate without reading every file. Format: gitformat-index(5).
 */
export const encodeIndex = (
  files: ReadonlyMap<string, WrittenFile>,
  uid: number,
  gid: number,
): Uint8Array => {
  const entries = Array.from(files, ([path, file]) => ({ name: pathToBytes(path), file }))
  entries.sort((left, right) => Buffer.compare(left.name, right.name))
  const head = Buffer.alloc(12)
  head.write("DIRC", 0, "latin1")
  head.writeUInt32BE(2, 4)
  head.writeUInt32BE(entries.length, 8)
  const parts: Buffer[] = [head]
  for (const { name, file } of entries) {
    // One to eight NULs end an entry at a multiple of eight.
    const row = Buffer.alloc((HEADER + name.length + 8) & ~7)
    const seconds = (ns: bigint): number => Number(BigInt.asUintN(32, ns / 1_000_000_000n))
    const fields = [
      seconds(file.ctimeNs),
      Number(file.ctimeNs % 1_000_000_000n),
      seconds(file.mtimeNs),
      Number(file.mtimeNs % 1_000_000_000n),
      Number(BigInt.asUintN(32, file.dev)),
      Number(BigInt.asUintN(32, file.ino)),
      modeBits(file.mode),
      uid,
      gid,
      Number(BigInt.asUintN(32, file.size)),
    ]
    fields.forEach((value, at) => {
      row.writeUInt32BE(value, at * 4)
    })
    row.write(file.oid, 40, "hex")
    row.writeUInt16BE(Math.min(name.length, 0xfff), 60)
    name.copy(row, HEADER)
    parts.push(row)
  }
  const body = Buffer.concat(parts)
  return Buffer.concat([body, new Bun.CryptoHasher("sha1").update(body).digest()])
}
