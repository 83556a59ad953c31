import type { FileMode } from "../../domain/files.ts"
import { fail, ok, type Result } from "../../domain/result.ts"
import { EMPTY_TREE, type GitObject, makeObject, type Oid } from "./objects.ts"
import { byteStringToPath, pathToByteString } from "./path-bytes.ts"
import { editTreeBody, findEntry, type TreeTarget } from "./tree.ts"

/** A file in a tree: everything but a subtree. */
export interface BlobEntry {
  readonly mode: FileMode
  readonly oid: Oid
}

/** `null` removes the path. */
export type TreeEffects = ReadonlyMap<string, BlobEntry | null>

/** The body of a tree that was loaded before, or undefined. */
export type TreeReader = (oid: Oid) => Uint8Array | undefined

export type TreeEditProblem =
  | { readonly kind: "tree_missing"; readonly oid: Oid; readonly path: string }
  | { readonly kind: "file_in_the_way"; readonly path: string }
  | { readonly kind: "directory_in_the_way"; readonly path: string }
  | { readonly kind: "absent"; readonly path: string }

export interface EditedTree {
  readonly root: Oid
  /** New trees, children before parents. */
  readonly trees: readonly GitObject[]
}

/** Touched paths as a trie of byte-string names; `target` is undefined where only something below is touched. */
export interface PathNode {
  target: BlobEntry | null | undefined
  readonly children: Map<string, PathNode>
}

const newNode = (): PathNode => ({ target: undefined, children: new Map() })

export const pathTrie = (effects: Iterable<readonly [string, BlobEntry | null]>): PathNode => {
  const root = newNode()
  for (const [path, target] of effects) {
    let node = root
    for (const name of pathToByteString(path).split("/")) {
      let child = node.children.get(name)
      if (!child) {
        child = newNode()
        node.children.set(name, child)
      }
      node = child
    }
    node.target = target
  }
  return root
}

class Refused extends Error {
  readonly problem: TreeEditProblem
  constructor(problem: TreeEditProblem) {
    super(problem.kind)
    this.problem = problem
  }
}

const refuse = (kind: "file_in_the_way" | "directory_in_the_way" | "absent", path: string): never => {
  throw new Refused({ kind, path: byteStringToPath(path) })
}

const bodyOf = (oid: Oid, path: string, read: TreeReader): Uint8Array => {
  if (oid === EMPTY_TREE) return new Uint8Array()
  const body = read(oid)
  if (!body) throw new Refused({ kind: "tree_missing", oid, path: byteStringToPath(path) })
  return body
}

/**
 * `root` with the effects applied, reading only subtrees that a path runs through. A directory left empty vanishes.
 * A file where a directory would have to be (or the other way round) and removing what is absent are problems.
 */
export const editTree = (
  root: Oid,
  effects: TreeEffects,
  read: TreeReader,
): Result<EditedTree, TreeEditProblem> => {
  const trees: GitObject[] = []
  const edited = (oid: Oid, node: PathNode, prefix: string): Oid | null => {
    const body = bodyOf(oid, prefix, read)
    const edits = new Map<string, TreeTarget | null>()
    for (const [name, child] of node.children) {
      const path = prefix + name
      const current = findEntry(body, name)
      const next = editedEntry(current, child, path)
      if (next?.oid !== current?.oid || next?.mode !== current?.mode) edits.set(name, next)
    }
    if (edits.size === 0) return oid
    const after = editTreeBody(body, edits)
    if (after.length === 0) return null
    const tree = makeObject("tree", after)
    trees.push(tree)
    return tree.oid
  }
  const editedEntry = (current: TreeTarget | null, node: PathNode, path: string): TreeTarget | null => {
    const isTree = current?.mode === "40000"
    if (node.children.size === 0) {
      const target = node.target!
      if (isTree) refuse("directory_in_the_way", path)
      if (!target && !current) refuse("absent", path)
      return target
    }
    if (node.target === null && (isTree || !current)) refuse(isTree ? "directory_in_the_way" : "absent", path)
    if (node.target !== null && current && !isTree) refuse("file_in_the_way", path)
    const below = edited(isTree ? current.oid : EMPTY_TREE, node, `${path}/`)
    if (node.target && below !== null && below !== EMPTY_TREE) refuse("directory_in_the_way", path)
    return node.target ?? (below === null ? null : { mode: "40000", oid: below })
  }
  try {
    const oid = edited(root, pathTrie(effects), "")
    if (oid !== null) return ok({ root: oid, trees })
    return ok({ root: EMPTY_TREE, trees: [...trees, makeObject("tree", new Uint8Array())] })
  } catch (error) {
    if (error instanceof Refused) return fail(error.problem)
    throw error
  }
}

/** The subtrees, one level down, that a walk along `node` needs next. `body` is the tree at this level. */
export const nextLevel = (body: Uint8Array, node: PathNode): readonly (readonly [Oid, PathNode])[] => {
  const below: (readonly [Oid, PathNode])[] = []
  for (const [name, child] of node.children) {
    if (child.children.size === 0) continue
    const entry = findEntry(body, name)
    if (entry?.mode === "40000") below.push([entry.oid, child])
  }
  return below
}

/** The file at `path`; null when there is none (a subtree is not a file), undefined when a tree was not loaded. */
export const findFile = (root: Oid, path: string, read: TreeReader): BlobEntry | null | undefined => {
  const names = pathToByteString(path).split("/")
  let oid = root
  for (const [depth, name] of names.entries()) {
    const body = oid === EMPTY_TREE ? new Uint8Array() : read(oid)
    if (!body) return undefined
    const entry = findEntry(body, name)
    if (!entry) return null
    if (entry.mode !== "40000") {
      return depth === names.length - 1 ? { mode: entry.mode, oid: entry.oid } : null
    }
    oid = entry.oid
  }
  return null
}
