import type { Database as Sqlite } from "bun:sqlite"
import { auditHead } from "../platform/audit-append.sql.ts"
import { BLOB_HASHES, DROP_BLOB, ENTRIES_SINCE, MANIFESTS, REFERENCED } from "./archive.sql.ts"
import type { Swept } from "./archiving.ts"
import { unpackBlob } from "./BlobStore.ts"
import { BLOB, type BlobRow, LAST_BLOB } from "./blob.sql.ts"
import { decodeManifest } from "./manifest.ts"

/** Contents looked at per transaction. */
const BLOBS = 500

/**
 * Stored contents that entries which are not archived, and adopted bases, speak of. Whatever begins to speak of one
 * writes a row of the log in the same transaction: so the rows since tell what came.
 */
export class ContentsInUse {
  private readonly hashes = new Set<string>()
  private readonly manifests = new Set<string>()
  private seq = 0

  /** Takes out those of one chunk of numbers that nothing speaks of. */
  sweep(db: Sqlite, after: number, until: number): Swept {
    this.look(db)
    // The newest stays, so that no number is given twice: shipping goes on behind the numbers it has seen.
    const newest = db.query<{ last: number }, []>(LAST_BLOB).get()!.last
    const rows = db
      .query<{ number: number; hash: string }, [number, number, number]>(BLOB_HASHES)
      .all(after, Math.min(until, newest - 1), BLOBS)
    const drop = db.query(DROP_BLOB)
    const gone = rows.filter(({ hash }) => !this.hashes.has(hash))
    for (const { number } of gone) drop.run(number)
    return { dropped: gone.length, next: rows.at(-1)?.number ?? after, more: rows.length === BLOBS }
  }

  /** Looks at everything, and later at what came since: the first time outside of a transaction. */
  look(db: Sqlite): void {
    const { seq } = auditHead(db)
    if (seq === this.seq) return
    const entries =
      this.seq === 0
        ? [null]
        : db
            .query<{ id: number }, [number]>(ENTRIES_SINCE)
            .all(this.seq)
            .map(({ id }) => id)
    for (const entry of entries)
      for (const statement of REFERENCED)
        for (const { hash } of db.query<{ hash: unknown }, [number | null]>(statement).iterate(entry))
          if (typeof hash === "string") this.hashes.add(hash)
    for (const { hash } of db.query<{ hash: string }, []>(MANIFESTS).all()) this.takeManifest(db, hash)
    this.seq = seq
  }

  private takeManifest(db: Sqlite, manifest: string): void {
    if (this.manifests.has(manifest)) return
    this.manifests.add(manifest)
    this.hashes.add(manifest)
    const row = db.query<BlobRow, [string]>(BLOB).get(manifest)
    const bytes = row === null ? null : unpackBlob(row)
    const listed = bytes === null ? null : decodeManifest(bytes)
    if (listed?.ok) for (const { to } of listed.value) if (to?.sha256) this.hashes.add(to.sha256)
  }
}
