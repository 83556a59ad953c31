import type { Database as Sqlite } from "bun:sqlite"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { type AuditRow, ROWS_AFTER } from "../platform/audit.sql.ts"
import { Database, type DatabaseError } from "../platform/Database.ts"
import { ARCHIVES, type ArchiveRow, CARRIED_AFTER, TOMBSTONES_AFTER, type Tombstone } from "./archive.sql.ts"
import {
  BLOBS_BETWEEN,
  type BlobRow,
  CAST_BODY,
  CHECKPOINT_OF_ROW,
  type CheckpointRow,
  EFFECTS_OF,
  type EffectRow,
  LAST_BLOB,
  RECEIPT_BODY,
} from "./blob.sql.ts"
import { dataOf } from "./ledger.ts"
import type { LogRecord } from "./segment.ts"

export interface RowsRead {
  readonly records: readonly LogRecord[]
  /** The newest row among them; null when there are no more rows. */
  readonly last: AuditRow | null
}

export interface LogExportShape {
  /** Checkpoints, oldest first: behind the newest one's cut the chain goes on. */
  readonly archives: Effect.Effect<readonly ArchiveRow[], DatabaseError>
  /** What stays of archived entries behind an id; empty at the end. */
  readonly tombstones: (after: number, limit: number) => Effect.Effect<readonly Tombstone[], DatabaseError>
  /** Rows up to a checkpoint's cut that stayed, behind `after`, each followed by what it promises. */
  readonly carried: (options: {
    readonly after: number
    readonly cut: number
    readonly limit: number
    readonly chainOnly: boolean
  }) => Effect.Effect<RowsRead, DatabaseError>
  /** Up to `limit` rows after `seq` and not behind `until`, each followed by what it promises. */
  readonly rows: (options: {
    readonly after: number
    readonly until: number
    readonly limit: number
    /** The chain alone, without casts, receipts and what replays them. */
    readonly chainOnly: boolean
  }) => Effect.Effect<RowsRead, DatabaseError>
  /** Number of the newest blob: everything that rows read before speak of is at or before it. */
  readonly lastBlob: Effect.Effect<number, DatabaseError>
  /** A few blobs after a number, up to another; `next` is where to go on. */
  readonly blobs: (
    after: number,
    until: number,
  ) => Effect.Effect<{ readonly records: readonly LogRecord[]; readonly next: number }, DatabaseError>
}

/** A base that was adopted twice is stored once; its row of the log says all of it. */
const toldBy = (row: AuditRow): CheckpointRow => {
  const { tree, parent_tree, commit, manifest, complete } = dataOf(row.data)
  return {
    tree: String(tree),
    parent_tree: String(parent_tree),
    commit_id: typeof commit === "string" ? commit : null,
    manifest: String(manifest),
    complete: complete === true ? 1 : 0,
    audit_seq: row.seq,
  }
}

/** Blobs in memory at once. */
const BLOBS = 64

const make = Effect.map(Database, (database): LogExportShape => {
  const withContents = (db: Sqlite, row: AuditRow): readonly LogRecord[] => {
    const records: LogRecord[] = [{ kind: "row", row }]
    const entry = row.entry_id
    const body = (statement: string): string | undefined =>
      entry === null ? undefined : db.query<{ body: string }, [number]>(statement).get(entry)?.body
    if (row.event === "enqueued" && entry !== null) {
      const cast = body(CAST_BODY)
      if (cast !== undefined) records.push({ kind: "cast", entry, body: cast })
    }
    if (row.event === "applied" && entry !== null) {
      const receipt = body(RECEIPT_BODY)
      if (receipt !== undefined) records.push({ kind: "receipt", entry, body: receipt })
      const effects = db.query<EffectRow, [number]>(EFFECTS_OF).all(entry)
      if (effects.length > 0) records.push({ kind: "effects", entry, effects })
    }
    if (row.event === "base_adopted") {
      const checkpoint = db.query<CheckpointRow, [number]>(CHECKPOINT_OF_ROW).get(row.seq)
      records.push({ kind: "checkpoint", checkpoint: checkpoint ?? toldBy(row) })
    }
    return records
  }
  const asRead = (db: Sqlite, rows: readonly AuditRow[], chainOnly: boolean): RowsRead => ({
    records: chainOnly
      ? rows.map((row): LogRecord => ({ kind: "row", row }))
      : rows.flatMap((row) => withContents(db, row)),
    last: rows.at(-1) ?? null,
  })
  return {
    archives: database.read((db) => db.query<ArchiveRow, []>(ARCHIVES).all()),
    tombstones: (after, limit) =>
      database.read((db) => db.query<Tombstone, [number, number]>(TOMBSTONES_AFTER).all(after, limit)),
    carried: ({ after, cut, limit, chainOnly }) =>
      database.read((db) =>
        asRead(
          db,
          db.query<AuditRow, [number, number, number]>(CARRIED_AFTER).all(after, cut, limit),
          chainOnly,
        ),
      ),
    rows: ({ after, until, limit, chainOnly }) =>
      database.read((db) => {
        const rows = db
          .query<AuditRow, [number, number]>(ROWS_AFTER)
          .all(after, limit)
          .filter(({ seq }) => seq <= until)
        return asRead(db, rows, chainOnly)
      }),
    lastBlob: database.read((db) => db.query<{ last: number }, []>(LAST_BLOB).get()!.last),
    blobs: (after, until) =>
      database.read((db) => {
        const rows = db
          .query<BlobRow & { readonly number: number }, [number, number, number]>(BLOBS_BETWEEN)
          .all(after, until, BLOBS)
        const records = rows.map(({ number: _, ...blob }): LogRecord => ({ kind: "blob", blob }))
        return { records, next: rows.at(-1)?.number ?? until }
      }),
  }
})

/** The log as records, with everything that replaying it takes. */
export class LogExport extends Context.Tag("hyperion/audit/LogExport")<LogExport, LogExportShape>() {
  static readonly layer = Layer.effect(LogExport, make)
}
