import * as Effect from "effect/Effect"
import { BlobStore } from "../audit/BlobStore.ts"
import { type Change, type ChangeRequest, payloadBytes } from "../domain/change-request.ts"
import { contentHash, type FileState } from "../domain/files.ts"
import type { Policy } from "../domain/policy.ts"
import { parsePatch } from "../patch/parse.ts"
import { GitRepository } from "../platform/git/GitRepository.ts"
import { isOid } from "../platform/git/objects.ts"
import { readFiles } from "./base.ts"
import type { FileReader } from "./effects.ts"

/** The files of a tree as a batch of changes sees them: each landed step is laid over what was there before. */
export interface Overlay extends FileReader {
  readonly put: (path: string, state: FileState | null) => void
  /** Remembers a pre-image, so that a change made for it can be merged. */
  readonly keep: (state: FileState) => void
  /** Pre-images asked for and not known, since the last call. */
  readonly takeMisses: () => readonly string[]
}

/** Reads the paths of a tree once; everything after that is in memory. */
export const makeOverlay = Effect.fn("worker.makeOverlay")(function* (
  tree: string,
  paths: readonly string[],
  style: Policy["paths"],
) {
  const files = new Map(yield* readFiles(tree, paths))
  const known = new Map<string, FileState>()
  let misses: string[] = []
  const keep = (state: FileState) => void known.set(contentHash(state), state)
  for (const state of files.values()) if (state !== null) keep(state)
  const overlay: Overlay = {
    paths: style,
    current: (path) => files.get(path) ?? null,
    stored: (_path, sha256) => {
      const state = known.get(sha256)
      if (state === undefined) misses.push(sha256)
      return state
    },
    put: (path, state) => {
      files.set(path, state)
      if (state !== null) keep(state)
    },
    keep,
    takeMisses: () => {
      const taken = misses
      misses = []
      return taken
    },
  }
  return overlay
})

/** The blob a patch says it was made for, when it says it in full. */
export const indexOid = (
  change: Change,
): { readonly oid: string; readonly mode: FileState["mode"] } | null => {
  if (change.patch === undefined) return null
  const bytes = payloadBytes(change)
  if (bytes === null) return null
  // Only its header is read here: whether a submodule may be changed at all is the validator's question.
  const parsed = parsePatch(bytes, { ...change, paths: "posix" })
  if (!parsed.ok) return null
  const oid = parsed.value.index?.oldOid
  return oid !== undefined && isOid(oid) ? { oid, mode: parsed.value.statedMode ?? "100644" } : null
}

/** Pre-images of a change request that are still to be had: by the patch's own blob id, its base, or an earlier landing. */
export const storedBases = Effect.fn("worker.storedBases")(function* (request: ChangeRequest) {
  const git = yield* GitRepository
  const wanted = request.changes.filter((change) => change.base_hash !== undefined)
  const found: FileState[] = []
  const named = wanted.flatMap((change) => indexOid(change) ?? [])
  for (const [index, object] of (yield* git.readObjects(named.map(({ oid }) => oid))).entries())
    if (object?.type === "blob") found.push({ mode: named[index]!.mode, bytes: object.body })
  const revision = request.base_revision
  if (revision !== undefined && (yield* git.readObjects([revision]))[0]?.type === "commit") {
    const tree = yield* git.treeOf(revision)
    const files = yield* readFiles(
      tree,
      wanted.map((change) => change.path),
    )
    for (const state of files.values()) if (state !== null) found.push(state)
  }
  const known = new Set(found.map(contentHash))
  const store = yield* BlobStore
  for (const change of wanted) {
    if (known.has(change.base_hash!)) continue
    // Damaged content is none; `verify` names it.
    const bytes = yield* Effect.catchTag(store.get(change.base_hash!), "BlobCorrupt", () =>
      Effect.succeed(null),
    )
    if (bytes !== null) found.push({ mode: indexOid(change)?.mode ?? "100644", bytes })
  }
  return found
})
