import type { Database as Sqlite } from "bun:sqlite"
import type { Millis } from "../domain/time.ts"
import type { AuditRow } from "../platform/audit.sql.ts"
import { auditAppender, auditHead } from "../platform/audit-append.sql.ts"
import { EMPTY_TREE } from "../platform/git/objects.ts"
import {
  ARCHIVABLE_IDS,
  ARCHIVED_WITH,
  type ArchiveRow,
  CARRIED_AFTER,
  DROP_BASE,
  DROP_BASES,
  DROP_ROW,
  DROPS_OF_ENTRY,
  FIRST_BASE,
  GONE_ROWS,
  INSERT_ARCHIVE,
  MARK_ARCHIVED,
  NEWEST_ARCHIVE,
  NEWEST_OLD_ROW,
  SET_SWEPT,
  TOMBSTONES_AFTER,
  type Tombstone,
  TREE_BEFORE,
} from "./archive.sql.ts"
import { CHECKPOINT, type CheckpointRow, PUT_CHECKPOINT } from "./blob.sql.ts"
import { archiveData, RowsDigest } from "./foundation.ts"

/** Entries, and rows of the log, per transaction: nobody waits long for the write lock. */
const ENTRIES = 100
const ROWS = 1_000

/** What would be archived, found without writing anything. */
export interface ArchivePlan {
  readonly cut: number
  readonly head: string
  readonly counts: string
  readonly tree: string | null
  /** The tree that what stays is replayed on; null: the empty one. */
  readonly ground: string | null
  /** Ids of the entries that go. */
  readonly ids: readonly number[]
}

export const newestArchive = (db: Sqlite): ArchiveRow | null => db.query<ArchiveRow, []>(NEWEST_ARCHIVE).get()

/** Everything up to the newest row that is older than `before`; null when nothing is, or no entry would go. */
export const planArchive = (db: Sqlite, before: Millis, at: Millis): ArchivePlan | null => {
  const last = newestArchive(db)
  const row = db
    .query<{ seq: number; hash: string; counts: string }, [number, number]>(NEWEST_OLD_ROW)
    .get(before, at)
  if (row === null || row.seq <= (last?.cut ?? 0)) return null
  const ids = archivable(db, row.seq)
  if (ids.length === 0) return null
  const landed = db.query<{ tree: string | null }, [number, number]>(TREE_BEFORE).get(last?.cut ?? 0, row.seq)
  const tree = landed?.tree ?? last?.tree ?? null
  const first = db.query<{ tree: string | null }, [number]>(FIRST_BASE).get(row.seq)
  const ground = first === null ? tree : first.tree
  return { cut: row.seq, head: row.hash, counts: row.counts, tree, ground, ids }
}

const archivable = (db: Sqlite, cut: number): readonly number[] => {
  const ids: number[] = []
  for (let after = 0, more = true; more; ) {
    const rows = db.query<{ id: number }, [number, number, number]>(ARCHIVABLE_IDS).all(cut, after, ROWS)
    for (const { id } of rows) ids.push(id)
    after = rows.at(-1)?.id ?? after
    more = rows.length === ROWS
  }
  return ids
}

/** What was written down before: the archive itself, complete, flushed and read again. */
export interface ArchiveFile {
  readonly folder: string
  readonly file: string
  readonly sha256: string
  /** Number of the newest stored content that it holds. */
  readonly blobs: number
}

/** The ground that was looked for, as the manifest of its files; those are stored already. */
export interface Ground {
  readonly tree: string
  readonly manifest: string
  readonly complete: boolean
}

/**
 * The point of no return, in the caller's transaction: the checkpoint and its row of the log; the entries become
 * archived ones. null when the queue is no longer what was planned, and nothing may be stored.
 */
export const commitArchive = (
  db: Sqlite,
  plan: ArchivePlan,
  written: ArchiveFile,
  actor: string,
  at: Millis,
  ground: Ground | null = null,
): ArchiveRow | null => {
  const now = archivable(db, plan.cut)
  if (now.length !== plan.ids.length || now.some((id, index) => id !== plan.ids[index])) return null
  db.query(MARK_ARCHIVED).run(plan.cut)
  db.query(DROP_BASES).run(plan.cut)
  if (ground !== null) db.query(DROP_BASE).run(ground.tree, plan.cut)
  const entries = tombstonesDigest(db)
  const { ids: _ids, ground: _ground, ...said } = plan
  const recorded = archiveData({
    ...said,
    entries: entries.count,
    entries_sha256: entries.sha256,
    carried_sha256: carriedDigest(db, plan.cut),
    ...written,
  })
  const seq = auditHead(db).seq + 1
  auditAppender(db, at).append({ event: "archived", actor, subject: "log", data: recorded })
  const archive: ArchiveRow = { ...recorded, at, actor, audit_seq: seq, swept: 0 }
  const { cut, head, counts, tree, entries: count, entries_sha256, carried_sha256, blobs } = archive
  const digests = [cut, head, counts, tree, count, entries_sha256, carried_sha256, blobs]
  const { folder, file, sha256 } = archive
  db.query(INSERT_ARCHIVE).run(...digests, folder, file, sha256, at, actor, seq, 0)
  if (ground !== null) keepGround(db, ground, actor, at)
  return archive
}

/** As an adopted base, told from nothing; not where people's own commits led there again since the cut. */
const keepGround = (db: Sqlite, { tree, manifest, complete }: Ground, actor: string, at: Millis): void => {
  if (db.query<CheckpointRow, [string]>(CHECKPOINT).get(tree) !== null) return
  const data = { tree, parent_tree: EMPTY_TREE, commit: null, manifest, complete }
  const seq = auditAppender(db, at).append({ event: "base_adopted", actor, subject: "archive", data })
  db.query(PUT_CHECKPOINT).run(tree, EMPTY_TREE, null, manifest, complete ? 1 : 0, seq)
}

const tombstonesDigest = (db: Sqlite) => {
  const digest = new RowsDigest()
  let count = 0
  for (let after = 0, more = true; more; ) {
    const rows = db.query<Tombstone, [number, number]>(TOMBSTONES_AFTER).all(after, ROWS)
    for (const row of rows) digest.tombstone(row)
    count += rows.length
    after = rows.at(-1)?.id ?? after
    more = rows.length === ROWS
  }
  return { count, sha256: digest.hex() }
}

const carriedDigest = (db: Sqlite, cut: number): string => {
  const digest = new RowsDigest()
  for (let after = Number.MIN_SAFE_INTEGER, more = true; more; ) {
    const rows = db.query<AuditRow, [number, number, number]>(CARRIED_AFTER).all(after, cut, ROWS)
    for (const row of rows) digest.row(row)
    after = rows.at(-1)?.seq ?? after
    more = rows.length === ROWS
  }
  return digest.hex()
}

/** What one transaction took out. */
export interface Swept {
  readonly dropped: number
  /** Where the next one goes on. */
  readonly next: number
  readonly more: boolean
}

/** Takes what belongs to archived entries behind an id out, one chunk. */
export const sweepEntries = (db: Sqlite, after: number, cut: number): Swept => {
  const rows = db.query<{ id: number }, [number, number, number]>(ARCHIVED_WITH).all(cut, after, ENTRIES)
  for (const { id } of rows) for (const drop of DROPS_OF_ENTRY) db.query(drop).run(id)
  return { dropped: rows.length, next: rows.at(-1)?.id ?? after, more: rows.length === ENTRIES }
}

/** Takes rows of the log that nothing here needs any more out, one chunk. */
export const sweepRows = (db: Sqlite, after: number, cut: number): Swept => {
  const rows = db.query<{ seq: number }, [number, number, number]>(GONE_ROWS).all(after, cut, ROWS)
  const drop = db.query(DROP_ROW)
  for (const { seq } of rows) drop.run(seq)
  return { dropped: rows.length, next: rows.at(-1)?.seq ?? after, more: rows.length === ROWS }
}

/** Everything is out: what is found up to the cut from now on was put there by somebody. */
export const finishArchive = (db: Sqlite, cut: number): void => {
  db.query(SET_SWEPT).run(cut)
}
