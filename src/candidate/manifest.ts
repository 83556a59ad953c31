import type { FileMode } from "../domain/files.ts"
import { fail, ok, type Result } from "../domain/result.ts"

/** A git object name: 40 hex digits. */
export type Oid = string

export interface ManifestEntry {
  readonly mode: FileMode
  readonly oid: Oid
}

/** Every file of a tree by path. Bytes of a path that are not UTF-8 are lone surrogates U+DC80..U+DCFF. */
export type Manifest = ReadonlyMap<string, ManifestEntry>

export const parentOf = (path: string): string => path.slice(0, Math.max(0, path.lastIndexOf("/")))

const isUnsafe = (path: string): boolean =>
  path
    .split("/")
    .some(
      (part) =>
        part === "" || part === "." || part === ".." || part.toLowerCase() === ".git" || part.includes("\0"),
    )

/**
 * The folders a manifest needs, or the first path that cannot be written below a root: absolute, with an empty, `.`,
 * `..` or `.git` component, or using a file of the same manifest as a folder.
 */
export const foldersOf = (manifest: Manifest): Result<ReadonlySet<string>, string> => {
  const folders = new Set<string>()
  for (const path of manifest.keys()) {
    if (isUnsafe(path)) return fail(path)
    for (let folder = parentOf(path); folder !== "" && !folders.has(folder); folder = parentOf(folder)) {
      if (manifest.has(folder)) return fail(path)
      folders.add(folder)
    }
  }
  return ok(folders)
}

/** Whether a path of the policy may be mounted in a candidate. */
export const isMountable = (path: string): boolean => !isUnsafe(path)
