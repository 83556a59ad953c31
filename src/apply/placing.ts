import { parentsOf } from "./folders.ts"
import type { RecordedFile } from "./LandingJournal.ts"
import type { FileOperations } from "./WorktreeFiles.ts"

const codeOf = (error: unknown): unknown => (error as { readonly code?: unknown }).code

const NO_LINKS = new Set<unknown>(["EPERM", "ENOTSUP", "EOPNOTSUPP", "ENOSYS", "EMLINK"])

/**
 * Gives what is at `from` the name `to` as well, only if that is free. `moved`: without hard links, so that `from` is
 * gone and a name taken in the same instant could have been overwritten.
 */
export const placeAt = (files: FileOperations, from: string, to: string): "placed" | "moved" | "taken" => {
  const stat = files.stat(from)
  try {
    if (stat?.isSymbolicLink()) files.createLink(files.readLink(from), to)
    else if (stat?.isDirectory()) files.rename(from, to)
    else files.link(from, to)
    return "placed"
  } catch (error) {
    if (codeOf(error) === "EEXIST") return "taken"
    if (!NO_LINKS.has(codeOf(error))) throw error
    if (files.stat(to)) return "taken"
    files.rename(from, to)
    return "moved"
  }
}

/** As `link`, or where the file system has no hard links a new file with the same content. EEXIST when it is taken. */
export const linkOrCreate = (files: FileOperations, from: string, to: string, content: string): void => {
  try {
    files.link(from, to)
  } catch (error) {
    if (!NO_LINKS.has(codeOf(error))) throw error
    files.create(to, Buffer.from(content), 0o666)
  }
}

export const dropName = (files: FileOperations, path: string): void => {
  if (files.stat(path)) files.unlink(path)
}

/** A recorded path as the working tree sees it: a submodule is a folder there, everything else a file. */
export interface Sides {
  readonly path: string
  readonly slot: string
  readonly before: RecordedFile["before"]
  readonly after: RecordedFile["after"]
  readonly folderBefore: boolean
  readonly folderAfter: boolean
}

const SUBMODULE = "160000"

export const sidesOf = ({ path, slot, before, after }: RecordedFile): Sides => ({
  path,
  slot,
  before: before?.mode === SUBMODULE ? null : before,
  after: after?.mode === SUBMODULE ? null : after,
  folderBefore: before?.mode === SUBMODULE,
  folderAfter: after?.mode === SUBMODULE,
})

/** Folders that must be there when everything is in place. */
export const wantedFolders = (sides: readonly Sides[]): ReadonlySet<string> =>
  new Set(
    sides
      .filter((file) => file.after !== null || file.folderAfter)
      .flatMap((file) => [...parentsOf(file.path), ...(file.folderAfter ? [file.path] : [])]),
  )
