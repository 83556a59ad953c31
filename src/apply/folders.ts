import type { FileOperations } from "./WorktreeFiles.ts"

/** Why a path's parents do not lead to it: `folder` is the first one that is not a folder. */
export interface Obstacle {
  readonly kind: "missing" | "link" | "file"
  readonly folder: string
}

/** A working tree entered folder by folder, never through a symbolic link. */
export interface Folders {
  /** A name for the file at `path` that stays in the folder found now; or what stands in its parents' place. */
  readonly locate: (path: string) => string | Obstacle
  /** The folder is gone or new: look again next time. */
  readonly forget: (folder: string) => void
  readonly close: () => void
}

const MAX_OPEN = 128

/** A landing's id, or a path, as part of a file's name. */
export const fileName = (text: string): string => text.replace(/[^\w.-]/g, "_")

const isMissing = (error: unknown): boolean => (error as { readonly code?: unknown }).code === "ENOENT"

export const parentOf = (path: string): string => path.slice(0, Math.max(0, path.lastIndexOf("/")))

const baseOf = (path: string): string => path.slice(path.lastIndexOf("/") + 1)

/** Every folder on the way to `path`, outermost first. */
export const parentsOf = (path: string): readonly string[] => {
  const parents: string[] = []
  for (let slash = path.indexOf("/"); slash >= 0; slash = path.indexOf("/", slash + 1)) {
    parents.push(path.slice(0, slash))
  }
  return parents
}

export const openFolders = (files: FileOperations, root: string): Folders => {
  const open = new Map<string, { readonly fd: number; readonly place: string }>()

  const enter = (folder: string): string | Obstacle => {
    const known = open.get(folder)
    if (known) return known.place
    const parent = folder === "" ? null : enter(parentOf(folder))
    if (parent !== null && typeof parent !== "string") return parent
    const name = parent === null ? root : baseOf(folder)
    try {
      const opened = files.openFolder(parent, name)
      open.set(folder, opened)
      return opened.place
    } catch (error) {
      if (parent === null) throw error
      const stat = files.stat(`${parent}/${name}`)
      if (!stat && isMissing(error)) return { kind: "missing", folder }
      if (stat?.isSymbolicLink()) return { kind: "link", folder }
      if (stat && !stat.isDirectory()) return { kind: "file", folder }
      throw error
    }
  }

  const close = () => {
    for (const { fd } of open.values()) files.close(fd)
    open.clear()
  }

  return {
    locate: (path) => {
      if (open.size > MAX_OPEN) close()
      const place = enter(parentOf(path))
      return typeof place === "string" ? `${place}/${baseOf(path)}` : place
    },
    forget: (folder) => {
      for (const [path, { fd }] of open) {
        if (path !== folder && !path.startsWith(`${folder}/`)) continue
        files.close(fd)
        open.delete(path)
      }
    },
    close,
  }
}
