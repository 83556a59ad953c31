import { readFileSync } from "node:fs"
import { isOid, type Oid } from "./objects.ts"

/** Where refs are looked up: per working tree and shared. */
export interface RefHome {
  readonly gitDir: string
  readonly commonDir: string
}

/** What a ref file says: another ref, or an object. */
export type RefValue =
  | { readonly kind: "symbolic"; readonly target: string }
  | { readonly kind: "oid"; readonly oid: Oid }

const MAX_DEPTH = 5

const perWorktree = (name: string): boolean =>
  !name.startsWith("refs/") || /^refs\/(bisect|worktree|rewritten)\//.test(name)

/** `HEAD`, other all-capital names, and `refs/…` without anything that could leave the folder. */
export const isRefName = (name: string): boolean =>
  /^[A-Z][A-Z_]*$/.test(name) ||
  (/^refs\/[^\x00-\x20\x7f~^:?*[\\]+$/.test(name) &&
    !/(^|\/)\.|\.\.|\/\/|\/$|\.lock(\/|$)|@\{|\.$/.test(name))

/** `main` → `refs/heads/main`; a full name stays. */
export const branchRef = (branch: string): string =>
  branch.startsWith("refs/") ? branch : `refs/heads/${branch}`

const readText = (path: string): string | null => {
  try {
    return readFileSync(path, "utf8")
  } catch {
    return null
  }
}

const readLoose = (home: RefHome, name: string): RefValue | null => {
  const text = readText(`${perWorktree(name) ? home.gitDir : home.commonDir}/${name}`)
  if (text === null) return null
  const target = /^ref:\s*(\S+)\s*$/.exec(text)?.[1]
  if (target !== undefined) return { kind: "symbolic", target }
  const oid = text.slice(0, 40)
  return isOid(oid) ? { kind: "oid", oid } : null
}

const readPacked = (home: RefHome, name: string): RefValue | null => {
  const text = readText(`${home.commonDir}/packed-refs`)
  const at = text?.indexOf(` ${name}\n`) ?? -1
  if (text === null || at < 40) return null
  const oid = text.slice(at - 40, at)
  return isOid(oid) ? { kind: "oid", oid } : null
}

/** One step, without following. A ref being packed meanwhile is found: loose, packed, loose again. */
export const readRef = (home: RefHome, name: string): RefValue | null => {
  if (!isRefName(name)) return null
  return readLoose(home, name) ?? readPacked(home, name) ?? readLoose(home, name)
}

/** Follows symbolic refs. `ref` is the last name reached; `oid` null when it does not exist (unborn). */
export const followRef = (
  home: RefHome,
  name: string,
): { readonly ref: string; readonly oid: Oid | null } => {
  let ref = name
  for (let depth = 0; depth < MAX_DEPTH; depth++) {
    const value = readRef(home, ref)
    if (!value) return { ref, oid: null }
    if (value.kind === "oid") return { ref, oid: value.oid }
    ref = value.target
  }
  return { ref, oid: null }
}

/** The ref that a chain of symbolic refs ends at, existing or not; a plain ref is its own end. */
export const finalRef = (home: RefHome, name: string): string => followRef(home, name).ref
