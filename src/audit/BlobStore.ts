import type { Database as Sqlite } from "bun:sqlite"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { sha256Hex } from "../domain/hash.ts"
import { Database, type DatabaseError } from "../platform/Database.ts"
import {
  BLOB,
  type BlobRow,
  CHECKPOINT,
  type CheckpointRow,
  EFFECTS_OF,
  type EffectRow,
  HAS_BLOB,
  PUT_BLOB,
} from "./blob.sql.ts"

/** A stored content is not what its name says: it was changed after it was written. */
export class BlobCorrupt extends Data.TaggedError("BlobCorrupt")<{ readonly hash: string }> {
  override get message(): string {
    return `the stored content ${this.hash} is not what its hash says`
  }
}

/**
 * zstd at its fastest level takes a third of the time of deflate at its own on source text, for the same size; below
 * this many bytes its frame costs more than it saves.
 */
const ZSTD_LEVEL = 1
const WORTH_PACKING = 64

/** A content ready to be stored: compressing must not hold the write lock. */
export const packBlob = (hash: string, bytes: Uint8Array): BlobRow => {
  if (bytes.length < WORTH_PACKING) return { hash, size: bytes.length, codec: "raw", data: bytes }
  const data = Bun.zstdCompressSync(bytes as Uint8Array<ArrayBuffer>, { level: ZSTD_LEVEL })
  return data.length < bytes.length
    ? { hash, size: bytes.length, codec: "zstd", data }
    : { hash, size: bytes.length, codec: "raw", data: bytes }
}

/** The content of a row; null when it is not what `hash` names. */
export const unpackBlob = ({ hash, size, codec, data }: BlobRow): Uint8Array | null => {
  try {
    const bytes =
      codec === "raw" ? data : new Uint8Array(Bun.zstdDecompressSync(data as Uint8Array<ArrayBuffer>))
    return bytes.length === size && sha256Hex(bytes) === hash ? bytes : null
  } catch {
    return null
  }
}

/** Stores contents inside the caller's transaction; those that are there already stay. */
export const putBlobs = (db: Sqlite, rows: readonly BlobRow[]): void => {
  const put = db.query(PUT_BLOB)
  for (const { hash, size, codec, data } of rows) put.run(hash, size, codec, data)
}

export interface BlobStoreShape {
  /** Compresses those contents, by SHA-256, that are not stored yet. Nothing is written: hand it to `putBlobs`. */
  readonly pack: (
    contents: ReadonlyMap<string, Uint8Array>,
  ) => Effect.Effect<readonly BlobRow[], DatabaseError>
  /** The content with this SHA-256, checked against it; null when it is not stored. */
  readonly get: (hash: string) => Effect.Effect<Uint8Array | null, DatabaseError | BlobCorrupt>
  /** What the landing of an entry did (or is about to do) to each path. */
  readonly effectsOf: (entryId: number) => Effect.Effect<readonly EffectRow[], DatabaseError>
  readonly checkpointOf: (tree: string) => Effect.Effect<CheckpointRow | null, DatabaseError>
}

const make = Effect.map(Database, (database): BlobStoreShape => {
  return {
    pack: (contents) =>
      Effect.map(
        database.read((db) => {
          const has = db.query<{ found: number }, [string]>(HAS_BLOB)
          return [...contents].filter(([hash]) => has.get(hash) === null)
        }),
        (missing) => missing.map(([hash, bytes]) => packBlob(hash, bytes)),
      ),
    get: Effect.fn("BlobStore.get")(function* (hash) {
      const row = yield* database.read((db) => db.query<BlobRow, [string]>(BLOB).get(hash))
      if (row === null) return null
      return unpackBlob(row) ?? (yield* new BlobCorrupt({ hash }))
    }),
    effectsOf: (entryId) => database.read((db) => db.query<EffectRow, [number]>(EFFECTS_OF).all(entryId)),
    checkpointOf: (tree) => database.read((db) => db.query<CheckpointRow, [string]>(CHECKPOINT).get(tree)),
  }
})

/** Contents by their SHA-256, compressed: what landings read and wrote, for when git has it no more. */
export class BlobStore extends Context.Tag("hyperion/audit/BlobStore")<BlobStore, BlobStoreShape>() {
  static readonly layer = Layer.effect(BlobStore, make)
}
