import { closeSync, fsyncSync, openSync, renameSync, rmSync, writeSync } from "node:fs"
import { dirname } from "node:path"

let serial = 0

/**
 * Replaces a file of ours whole: readers see the old or the new content, also after a power cut. Throws the system
 * error; then nothing was replaced.
 */
export const writeFileAtomic = (path: string, content: string | Uint8Array, mode = 0o644): void => {
  const temporary = `${path}.${process.pid}.${serial++}.tmp`
  const bytes = typeof content === "string" ? Buffer.from(content) : content
  const fd = openSync(temporary, "wx", mode)
  try {
    for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at, bytes.length - at)
    fsyncSync(fd)
    closeSync(fd)
    renameSync(temporary, path)
  } catch (error) {
    rmSync(temporary, { force: true })
    throw error
  }
  const folder = openSync(dirname(path), "r")
  try {
    fsyncSync(folder)
  } finally {
    closeSync(folder)
  }
}
