import { closeSync, fsyncSync, openSync, renameSync, rmSync, writeSync } from "node:fs"
import { dirname } from "node:path"

let serial = 0

/**
 * Replaces a file of ours whole: readers see the old or the new content; `durable`, also after a power cut. Throws the
 * system error; then nothing was replaced.
 */
export const writeFileAtomic = (
  path: string,
  content: string | Uint8Array,
  { mode = 0o644, durable = true }: { readonly mode?: number; readonly durable?: boolean } = {},
): void => {
  const temporary = `${path}.${process.pid}.${serial++}.tmp`
  const bytes = typeof content === "string" ? Buffer.from(content) : content
  const fd = openSync(temporary, "wx", mode)
  try {
    for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at, bytes.length - at)
    if (durable) fsyncSync(fd)
    closeSync(fd)
    renameSync(temporary, path)
  } catch (error) {
    rmSync(temporary, { force: true })
    throw error
  }
  if (!durable) return
  const folder = openSync(dirname(path), "r")
  try {
    fsyncSync(folder)
  } finally {
    closeSync(folder)
  }
}
