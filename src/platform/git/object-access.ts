import * as Effect from "effect/Effect"
import { expectType, type ObjectReader } from "./cat-file.ts"
import { GitFailed, ObjectUnreadable, type ReadError } from "./errors.ts"
import {
  type Commit,
  EMPTY_TREE,
  type GitObject,
  isOid,
  type ObjectType,
  type Oid,
  parseCommit,
} from "./objects.ts"
import { byteStringToPath } from "./path-bytes.ts"
import { parseTree } from "./tree.ts"
import { type BlobEntry, nextLevel, type PathNode, pathTrie, type TreeReader } from "./tree-edit.ts"

/**
 * Bytes of tree bodies kept in memory. Each landing makes trees that are read once more and never again: a larger cache
 * mostly keeps those, and a worker of thousands of landings grows by it.
 */
const TREE_CACHE_BYTES = 8 * 1024 * 1024

/** Least recently used tree bodies. Content is named by its hash, so nothing here can be stale. */
const makeTreeCache = (limit: number) => {
  const bodies = new Map<Oid, Uint8Array>([[EMPTY_TREE, new Uint8Array()]])
  let bytes = 0
  return {
    get: (oid: Oid): Uint8Array | undefined => {
      const body = bodies.get(oid)
      if (body && bodies.delete(oid)) bodies.set(oid, body)
      return body
    },
    put: (oid: Oid, body: Uint8Array): void => {
      if (bodies.has(oid)) return
      bodies.set(oid, body)
      bytes += body.length
      for (const [oldest, old] of bodies) {
        if (bytes <= limit) break
        bodies.delete(oldest)
        bytes -= old.length
      }
    },
  }
}

/** Typed reading over one object reader, with tree bodies cached. */
export const makeObjectAccess = (reader: ObjectReader) => {
  const cache = makeTreeCache(TREE_CACHE_BYTES)

  const readObjects = (oids: readonly Oid[]): Effect.Effect<readonly (GitObject | null)[], ReadError> => {
    const wrong = oids.find((oid) => !isOid(oid))
    if (wrong !== undefined) return Effect.fail(new ObjectUnreadable({ oid: wrong, reason: "malformed" }))
    return Effect.tryPromise({
      try: () => reader.read(oids),
      catch: (error) =>
        error instanceof GitFailed
          ? error
          : new GitFailed({ command: "git cat-file", exitCode: null, stderr: String(error) }),
    })
  }

  const readTyped = (
    oids: readonly Oid[],
    type: ObjectType,
  ): Effect.Effect<readonly GitObject[], ReadError> =>
    Effect.flatMap(readObjects(oids), (objects) =>
      Effect.forEach(objects, (object, at) => {
        const checked = expectType(oids[at]!, object, type)
        return checked instanceof ObjectUnreadable ? Effect.fail(checked) : Effect.succeed(checked)
      }),
    )

  /** Tree bodies by name, in one round trip for those not cached. */
  const treeBodies = (oids: readonly Oid[]): Effect.Effect<ReadonlyMap<Oid, Uint8Array>, ReadError> => {
    const found = new Map<Oid, Uint8Array>()
    const absent: Oid[] = []
    for (const oid of new Set(oids)) {
      const body = cache.get(oid)
      if (body) found.set(oid, body)
      else absent.push(oid)
    }
    if (absent.length === 0) return Effect.succeed(found)
    return Effect.map(readTyped(absent, "tree"), (trees) => {
      for (const tree of trees) {
        cache.put(tree.oid, tree.body)
        found.set(tree.oid, tree.body)
      }
      return found
    })
  }

  const readCommit = (oid: Oid): Effect.Effect<Commit, ReadError> =>
    Effect.flatMap(readTyped([oid], "commit"), ([object]) => {
      const commit = parseCommit(object!.body)
      return commit ? Effect.succeed(commit) : Effect.fail(new ObjectUnreadable({ oid, reason: "malformed" }))
    })

  const treeOf = (oid: Oid): Effect.Effect<Oid, ReadError> =>
    cache.get(oid)
      ? Effect.succeed(oid)
      : Effect.flatMap(readObjects([oid]), ([object]) => {
          if (object?.type === "tree") {
            cache.put(oid, object.body)
            return Effect.succeed(oid)
          }
          const checked = expectType(oid, object ?? null, "commit")
          if (checked instanceof ObjectUnreadable) return Effect.fail(checked)
          const tree = parseCommit(checked.body)?.tree
          return tree ? Effect.succeed(tree) : Effect.fail(new ObjectUnreadable({ oid, reason: "malformed" }))
        })

  /** Loads, level by level, every tree that the paths run through. */
  const treesAlong = (root: Oid, paths: Iterable<string>): Effect.Effect<TreeReader, ReadError> =>
    Effect.gen(function* () {
      const loaded = new Map<Oid, Uint8Array>()
      let level: readonly (readonly [Oid, PathNode])[] = [
        [root, pathTrie(Array.from(paths, (path) => [path, null] as const))],
      ]
      while (level.length > 0) {
        const bodies = yield* treeBodies(level.map(([oid]) => oid))
        for (const [oid, body] of bodies) loaded.set(oid, body)
        level = level.flatMap(([oid, node]) => nextLevel(bodies.get(oid)!, node))
      }
      return (oid) => loaded.get(oid)
    })

  const listTree = (root: Oid): Effect.Effect<ReadonlyMap<string, BlobEntry>, ReadError> =>
    Effect.gen(function* () {
      const files = new Map<string, BlobEntry>()
      let level: readonly (readonly [Oid, string])[] = [[root, ""]]
      while (level.length > 0) {
        const bodies = yield* treeBodies(level.map(([oid]) => oid))
        const below: (readonly [Oid, string])[] = []
        for (const [oid, prefix] of level) {
          const entries = parseTree(bodies.get(oid)!)
          if (!entries) return yield* new ObjectUnreadable({ oid, reason: "malformed" })
          for (const { name, mode, oid: target } of entries) {
            if (mode === "40000") below.push([target, `${prefix}${name}/`])
            else files.set(byteStringToPath(prefix + name), { mode, oid: target })
          }
        }
        level = below
      }
      return files
    })

  return { cache, readObjects, readTyped, treeBodies, readCommit, treeOf, treesAlong, listTree }
}
