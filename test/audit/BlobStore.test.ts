import { describe, expect } from "bun:test"
import * as Effect from "effect/Effect"
import * as FastCheck from "effect/FastCheck"
import * as Layer from "effect/Layer"
import { BlobStore, packBlob, putBlobs, unpackBlob } from "../../src/audit/BlobStore.ts"
import { sha256Hex } from "../../src/domain/hash.ts"
import { Database } from "../../src/platform/Database.ts"
import { it as plain, withLayer } from "../support/effect.ts"

const it = withLayer(Layer.provideMerge(BlobStore.layer, Database.layerMemory))
const bytesOf = (text: string) => new TextEncoder().encode(text)
const LONG = bytesOf("the same line again and again\n".repeat(500))

const put = (contents: ReadonlyMap<string, Uint8Array>) =>
  Effect.gen(function* () {
    const store = yield* BlobStore
    const packed = yield* store.pack(contents)
    yield* Effect.flatMap(Database, (database) => database.write((db) => putBlobs(db, packed)))
    return packed
  })

describe("contents by their hash", () => {
  plain("any bytes come back as they went in, and under no other hash", () => {
    FastCheck.assert(
      FastCheck.property(FastCheck.uint8Array({ maxLength: 5_000 }), (bytes) => {
        const row = packBlob(sha256Hex(bytes), bytes)
        expect(unpackBlob(row)).toEqual(bytes)
        expect(unpackBlob({ ...row, hash: sha256Hex(Uint8Array.of(...bytes, 1)) })).toBeNull()
      }),
    )
  })

  it.effect("are stored once, compressed", () =>
    Effect.gen(function* () {
      const hash = sha256Hex(LONG)
      const [row] = yield* put(new Map([[hash, LONG]]))
      expect(row).toMatchObject({ codec: "zstd", size: LONG.length })
      expect(row!.data.length).toBeLessThan(LONG.length / 20)
      // What is there is not even compressed again.
      expect(yield* put(new Map([[hash, LONG]]))).toEqual([])
      expect(yield* (yield* BlobStore).get(hash)).toEqual(LONG)
      expect(yield* (yield* BlobStore).get("0".repeat(64))).toBeNull()
    }),
  )

  for (const [what, change] of [
    ["other bytes", "UPDATE blob SET data = x'00'"],
    ["a broken frame", "UPDATE blob SET data = substr(data, 1, 20)"],
    ["another size", "UPDATE blob SET size = size + 1"],
    ["another coding", "UPDATE blob SET codec = 'raw'"],
  ] as const)
    it.effect(`${what} under a hash are never handed out`, () =>
      Effect.gen(function* () {
        const hash = sha256Hex(LONG)
        yield* put(new Map([[hash, LONG]]))
        yield* Effect.flatMap(Database, (database) => database.write((db) => db.run(change)))
        const error = yield* Effect.flip(Effect.flatMap(BlobStore, (store) => store.get(hash)))
        expect(error).toMatchObject({ _tag: "BlobCorrupt", hash })
      }),
    )
})
