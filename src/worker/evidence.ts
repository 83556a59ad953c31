import type { Database as Sqlite } from "bun:sqlite"
import * as Effect from "effect/Effect"
import { BlobStore, packBlob, putBlobs } from "../audit/BlobStore.ts"
import {
  type BlobRow,
  CHECKPOINT,
  type CheckpointRow,
  DROP_EFFECTS,
  HAS_BLOB,
  LAST_LANDED_TREE,
  PUT_CHECKPOINT,
  PUT_EFFECT,
} from "../audit/blob.sql.ts"
import { encodeManifest, type ManifestEntry, parseRawDiff } from "../audit/manifest.ts"
import { payloadBytes } from "../domain/change-request.ts"
import { contentHash, type FileEffect } from "../domain/files.ts"
import { sha256Hex } from "../domain/hash.ts"
import type { Millis } from "../domain/time.ts"
import { auditAppender } from "../platform/audit-append.sql.ts"
import { GitFailed } from "../platform/git/errors.ts"
import { GitRepository } from "../platform/git/GitRepository.ts"
import { EMPTY_TREE, type Oid } from "../platform/git/objects.ts"
import { QueueService } from "../queue/QueueService.ts"
import type { Base } from "./base.ts"
import type { Candidacy } from "./plan.ts"

/** Content of an adopted base that is kept; a larger one is listed, and replaying it needs the repository. */
const MAX_CHECKPOINT_BYTES = 64 * 1024 * 1024
/** Files of an adopted base in memory at once. */
const FILES_AT_ONCE = 64

interface Checkpoint {
  readonly base: Pick<Base, "ref" | "commit" | "tree">
  readonly parentTree: Oid
  readonly manifest: string
  readonly complete: boolean
}

/** Everything a landing must leave behind so that it can be proven, undone and replayed without git. */
export interface Evidence {
  readonly effects: readonly { readonly entryId: number; readonly effects: readonly FileEffect[] }[]
  readonly blobs: readonly BlobRow[]
  /** What was stored already when it was looked at, by SHA-256. */
  readonly stored: ReadonlyMap<string, Uint8Array>
  /** The base, when it is not what the landing before left. */
  readonly checkpoint: Checkpoint | null
}

/** Reads and compresses; `keepEvidence` then only writes. */
export const gatherEvidence = Effect.fn("worker.gatherEvidence")(function* (
  base: Base,
  entries: readonly Candidacy[],
) {
  const store = yield* BlobStore
  const contents = new Map<string, Uint8Array>()
  for (const { change, lease } of entries) {
    for (const { before, after } of change.effects)
      for (const state of [before, after]) if (state !== null) contents.set(contentHash(state), state.bytes)
    for (const one of lease.cast.change_request.changes) {
      const bytes = contents.has(one.patch_hash) ? null : payloadBytes(one)
      if (bytes !== null) contents.set(one.patch_hash, bytes)
    }
  }
  const packed = yield* store.pack(contents)
  for (const { hash } of packed) contents.delete(hash)
  const adopted = yield* adoptedBase(base)
  return {
    effects: entries.map(({ change, lease }) => ({ entryId: lease.entry.id, effects: change.effects })),
    blobs: [...packed, ...(adopted?.blobs ?? [])],
    stored: contents,
    checkpoint: adopted?.checkpoint ?? null,
  } satisfies Evidence
})

/** In the transaction that begins the landing: after a crash in it, what finishes it finds everything. */
export const keepEvidence = (db: Sqlite, evidence: Evidence, actor: string, at: Millis): void => {
  putBlobs(db, evidence.blobs)
  // An archive may have taken it out since.
  const has = db.query<{ found: number }, [string]>(HAS_BLOB)
  for (const [hash, bytes] of evidence.stored)
    if (has.get(hash) === null) putBlobs(db, [packBlob(hash, bytes)])
  const put = db.query(PUT_EFFECT)
  for (const { entryId, effects } of evidence.effects) {
    // An earlier landing of the same entry may have been undone.
    db.query(DROP_EFFECTS).run(entryId)
    for (const { path, before, after } of effects)
      put.run(
        entryId,
        path,
        before?.mode ?? null,
        before === null ? null : contentHash(before),
        after?.mode ?? null,
        after === null ? null : contentHash(after),
      )
  }
  const { checkpoint } = evidence
  // A landing that had moved the branch, and not ended, looked like somebody else's commit: by now it is in the log.
  if (checkpoint === null || checkpoint.base.tree === lastLandedTree(db)) return
  const { base, parentTree, manifest, complete } = checkpoint
  const data = { tree: base.tree, parent_tree: parentTree, commit: base.commit, manifest, complete }
  const seq = auditAppender(db, at).append({ event: "base_adopted", actor, subject: base.ref, data })
  db.query(PUT_CHECKPOINT).run(base.tree, parentTree, base.commit, manifest, complete ? 1 : 0, seq)
}

const lastLandedTree = (db: Sqlite): Oid =>
  db.query<{ tree: Oid | null }, []>(LAST_LANDED_TREE).get()?.tree ?? EMPTY_TREE

/** The difference between what the landing before left and this base; null where there is none, or it is known. */
const adoptedBase = Effect.fn("worker.adoptedBase")(function* (base: Base) {
  if (base.tree === EMPTY_TREE) return null
  const queue = yield* QueueService
  const last = yield* queue.read((db) => {
    const tree = lastLandedTree(db)
    const known = tree === base.tree || db.query<CheckpointRow, [string]>(CHECKPOINT).get(base.tree) !== null
    return known ? null : tree
  })
  if (last === null) return null
  return yield* difference(last, base).pipe(
    // The old tree may be gone from git: then the whole of the new one is told.
    Effect.catchTag("GitFailed", (error) =>
      last === EMPTY_TREE ? Effect.fail(error) : difference(EMPTY_TREE, base),
    ),
  )
})

/** A whole tree as a base that is told from nothing: what a log behind a checkpoint is replayed on. */
export const treeAsBase = (tree: Oid) => difference(EMPTY_TREE, { ref: "", commit: null, tree })

const difference = Effect.fn("worker.difference")(function* (parentTree: Oid, base: Checkpoint["base"]) {
  const git = yield* GitRepository
  const args = ["diff-tree", "-r", "-z", "--raw", "--no-abbrev", "--no-renames", parentTree, base.tree]
  const answer = yield* git.run({ args, gitDir: git.ownGitDir })
  const listed = parseRawDiff(answer.stdout)
  if (!listed.ok) return yield* new GitFailed({ command: "git diff-tree", exitCode: 0, stderr: listed.error })
  const entries: ManifestEntry[] = []
  const blobs = new Map<string, BlobRow>()
  let bytes = 0
  for (let from = 0; from < listed.value.length; from += FILES_AT_ONCE) {
    const chunk = listed.value.slice(from, from + FILES_AT_ONCE)
    const wanted = chunk.filter(({ to }) => to !== null && to.mode !== "160000")
    const read = bytes > MAX_CHECKPOINT_BYTES ? [] : yield* git.readBlobs(wanted.map(({ to }) => to!.oid))
    const hashes = new Map<ManifestEntry, string>()
    for (const [index, body] of read.entries()) {
      const hash = sha256Hex(body)
      hashes.set(wanted[index]!, hash)
      bytes += body.length
      if (!blobs.has(hash)) blobs.set(hash, packBlob(hash, body))
    }
    for (const entry of chunk)
      entries.push(
        entry.to === null ? entry : { ...entry, to: { ...entry.to, sha256: hashes.get(entry) ?? null } },
      )
  }
  const complete = bytes <= MAX_CHECKPOINT_BYTES
  const list = encodeManifest(
    complete ? entries : entries.map(({ path, to }) => ({ path, to: to && { ...to, sha256: null } })),
  )
  const manifest = sha256Hex(list)
  return {
    blobs: [...(complete ? blobs.values() : []), packBlob(manifest, list)],
    checkpoint: { base, parentTree, manifest, complete } satisfies Checkpoint,
  }
})
