import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import { BlobStore } from "../audit/BlobStore.ts"
import { type CheckpointRow, type EffectRow, RECEIPT_BODY } from "../audit/blob.sql.ts"
import { decodeManifest } from "../audit/manifest.ts"
import type { FileMode, FileState } from "../domain/files.ts"
import type { Receipt } from "../domain/receipt.ts"
import { Database } from "../platform/Database.ts"
import { errnoOf, StoreFailed } from "../platform/git/errors.ts"
import type { GitRepositoryShape } from "../platform/git/GitRepository.ts"
import { addObjects } from "../platform/git/object-store.ts"
import { EMPTY_TREE, type GitObject, makeObject, type Oid } from "../platform/git/objects.ts"
import { byteStringToPath } from "../platform/git/path-bytes.ts"
import { type BlobEntry, editTree } from "../platform/git/tree-edit.ts"
import { treeEntry } from "./verify-tree.ts"

/** A tree that cannot be rebuilt, or came out as another one. */
export class ReplayFailed extends Data.TaggedError("ReplayFailed")<{
  readonly seq: number
  readonly detail: string
}> {
  override get message(): string {
    return `replaying row ${this.seq}: ${this.detail}`
  }
}

/** Objects written as one pack: few packs, little memory. */
const FLUSH_OBJECTS = 4_000
const FLUSH_BYTES = 32 * 1024 * 1024

/** Rebuilds trees one after another from stored contents, and writes every object that makes them. */
export class TreeReplay {
  /** Trees that were taken from a repository because the log's own contents were too large to be kept. */
  fromGit = 0
  private readonly trees = new Map<Oid, Uint8Array>([[EMPTY_TREE, new Uint8Array()]])
  private pending = new Map<Oid, GitObject>()
  private readonly written = new Set<Oid>()
  private bytes = 0
  private readonly objectDir: string
  private readonly source: GitRepositoryShape | null

  constructor(objectDir: string, source: GitRepositoryShape | null) {
    this.objectDir = objectDir
    this.source = source
  }

  has(tree: Oid): boolean {
    return this.trees.has(tree)
  }

  keep(object: GitObject): void {
    if (object.type === "tree") this.trees.set(object.oid, object.body)
    if (this.written.has(object.oid) || this.pending.has(object.oid)) return
    this.pending.set(object.oid, object)
    this.bytes += object.body.length
  }

  /** Applies files to a tree that is there; the new tree, or what is in the way. */
  edit(base: Oid, files: ReadonlyMap<string, BlobEntry | null>): Oid | string {
    const edited = editTree(base, files, (oid) => this.trees.get(oid))
    if (!edited.ok)
      return `${edited.error.kind.replaceAll("_", " ")}${"path" in edited.error ? ` at ${edited.error.path}` : ""}`
    for (const tree of edited.value.trees) this.keep(tree)
    return edited.value.root
  }

  readonly flush = (force: boolean): Effect.Effect<void, StoreFailed> =>
    Effect.suspend(() => {
      if (!force && this.pending.size < FLUSH_OBJECTS && this.bytes < FLUSH_BYTES) return Effect.void
      const objects = [...this.pending.values()]
      for (const oid of this.pending.keys()) this.written.add(oid)
      this.pending = new Map()
      this.bytes = 0
      return Effect.tryPromise({
        try: () => addObjects(this.objectDir, objects, false),
        catch: (error) =>
          new StoreFailed({ operation: "write objects to", path: this.objectDir, code: errnoOf(error) }),
      })
    })

  /** Everything a tree holds, from the repository the log belongs to; false when it is not there. */
  readonly copy = (tree: Oid) =>
    Effect.gen(this, function* () {
      if (this.source === null) return false
      let level: readonly Oid[] = [tree]
      const found: GitObject[] = []
      while (level.length > 0) {
        const objects = yield* Effect.orElseSucceed(this.source.readObjects(level), () => [null])
        if (objects.includes(null)) return false
        found.push(...(objects as readonly GitObject[]))
        const next = new Set<Oid>()
        for (const object of objects as readonly GitObject[]) {
          if (object.type !== "tree") continue
          for (const { oid, mode } of yield* this.source.readTree(object.oid))
            if (mode !== "160000" && !this.trees.has(oid) && !this.written.has(oid)) next.add(oid)
        }
        level = [...next]
      }
      for (const object of found) this.keep(object)
      this.fromGit += 1
      return true
    })
}

const fileState = Effect.fn("replay.fileState")(function* (mode: string | null, hash: string | null) {
  if (mode === null || hash === null) return null
  const bytes = yield* (yield* BlobStore).get(hash)
  return bytes === null ? ("gone" as const) : ({ mode: mode as FileMode, bytes } satisfies FileState)
})

/** One landing: its base is there; its result must be the receipt's. */
export const replayLanding = Effect.fn("replay.landing")(function* (
  replay: TreeReplay,
  seq: number,
  entryId: number,
) {
  const store = yield* BlobStore
  const database = yield* Database
  const body = yield* database.read(
    (db) => db.query<{ body: string }, [number]>(RECEIPT_BODY).get(entryId)?.body,
  )
  if (body === undefined) return yield* new ReplayFailed({ seq, detail: `entry ${entryId} has no receipt` })
  const receipt: Receipt = JSON.parse(body)
  const base = receipt.base_tree ?? EMPTY_TREE
  const effects = yield* store.effectsOf(entryId)
  yield* baseTree(replay, seq, base)
  if (base === receipt.result_tree) return receipt
  if (effects.length === 0) {
    if (replay.has(receipt.result_tree) || (yield* replay.copy(receipt.result_tree))) return receipt
    return yield* new ReplayFailed({ seq, detail: `the contents of entry ${entryId} are not stored` })
  }
  const result = replay.edit(base, yield* filesOf(replay, seq, effects))
  if (result !== receipt.result_tree)
    return yield* new ReplayFailed({
      seq,
      detail: `entry ${entryId} gives ${/^[0-9a-f]{40}$/.test(result) ? `the tree ${result}` : result}, its receipt says ${receipt.result_tree}`,
    })
  return receipt
})

const filesOf = Effect.fn("replay.files")(function* (
  replay: TreeReplay,
  seq: number,
  effects: readonly EffectRow[],
) {
  const files = new Map<string, BlobEntry | null>()
  for (const { path, before_mode, before_hash, after_mode, after_hash } of effects) {
    // Unchanged, or made and removed by the same change: the tree knows nothing of it.
    if (before_mode === after_mode && before_hash === after_hash) continue
    const state = yield* fileState(after_mode, after_hash)
    if (state === "gone") return yield* new ReplayFailed({ seq, detail: `the content of ${path} is gone` })
    if (state !== null && state.mode !== "160000") replay.keep(makeObject("blob", state.bytes))
    files.set(path, treeEntry(state))
  }
  return files
})

/** The base of a landing: the tree before, or one that people's own commits made and that was kept, or git's. */
const baseTree = Effect.fn("replay.baseTree")(function* (replay: TreeReplay, seq: number, tree: Oid) {
  if (replay.has(tree)) return
  const checkpoint = yield* (yield* BlobStore).checkpointOf(tree)
  if (checkpoint !== null) return yield* replayCheckpoint(replay, checkpoint)
  if (yield* replay.copy(tree)) return
  return yield* new ReplayFailed({
    seq,
    detail: `its base tree ${tree} is neither stored nor in a repository here: replay it in the repository, or from the archive`,
  })
})

/** Adopts a base: the tree it is told from, plus the listed difference. */
export const replayCheckpoint = Effect.fn("replay.checkpoint")(function* (
  replay: TreeReplay,
  checkpoint: CheckpointRow,
) {
  const { tree, parent_tree, manifest, complete, audit_seq: seq } = checkpoint
  if (replay.has(tree)) return
  const store = yield* BlobStore
  const bytes = yield* store.get(manifest)
  const listed = bytes === null ? null : decodeManifest(bytes)
  if (complete === 0 || !listed?.ok || !replay.has(parent_tree)) {
    if (yield* replay.copy(tree)) return
    return yield* new ReplayFailed({
      seq,
      detail: `the base tree ${tree} was too large to be stored with the log, and no repository has it here`,
    })
  }
  const files = new Map<string, BlobEntry | null>()
  for (const { path, to } of listed.value) {
    files.set(byteStringToPath(path), to && { mode: to.mode as FileMode, oid: to.oid })
    if (to === null || to.sha256 === null) continue
    const content = yield* store.get(to.sha256)
    if (content === null)
      return yield* new ReplayFailed({ seq, detail: `a content of the base ${tree} is gone` })
    replay.keep(makeObject("blob", content))
    yield* replay.flush(false)
  }
  const result = replay.edit(parent_tree, files)
  // A tree that git itself would not write (an empty folder, an old mode) exists in a repository only.
  if (result !== tree && !(yield* replay.copy(tree)))
    return yield* new ReplayFailed({
      seq,
      detail: `the base adopted there gives ${result} instead of ${tree}`,
    })
})
