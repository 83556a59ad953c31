import { readFileSync, statSync } from "node:fs"
import { inflateSync } from "node:zlib"
import { type GitObject, hashObject, type ObjectType, type Oid } from "./objects.ts"

/** Larger files are left to git: they are not what a short command reads before it starts anything. */
const LARGEST = 1024 * 1024

const HEADER = /^(blob|tree|commit|tag) (0|[1-9]\d*)$/

/**
 * A loose object read in process: the newest commits and trees usually are, and reading them so spares a short command
 * the start of git. Null when it is packed, large, or not exactly what its name says: git then answers.
 */
export const readLoose = (objectDirs: readonly string[], oid: Oid): GitObject | null => {
  for (const objectDir of objectDirs) {
    const file = `${objectDir}/${oid.slice(0, 2)}/${oid.slice(2)}`
    try {
      const size = statSync(file, { throwIfNoEntry: false })?.size
      if (size === undefined || size > LARGEST) continue
      const bytes = inflateSync(readFileSync(file), { maxOutputLength: 16 * LARGEST })
      const end = bytes.indexOf(0)
      const header = HEADER.exec(bytes.toString("latin1", 0, Math.max(0, end)))
      const body = bytes.subarray(end + 1)
      if (header === null || Number(header[2]) !== body.length) continue
      const type = header[1] as ObjectType
      if (hashObject(type, body) === oid) return { oid, type, body }
    } catch {
      // Unreadable here is git's to name.
    }
  }
  return null
}
