import type { EntryState } from "../domain/entry.ts"

/** A checkpoint: what was archived, and from where the live log goes on. */
export interface ArchiveRow {
  readonly cut: number
  readonly head: string
  readonly counts: string
  readonly tree: string | null
  readonly entries: number
  readonly entries_sha256: string
  readonly carried_sha256: string
  readonly blobs: number
  readonly folder: string
  readonly file: string
  readonly sha256: string
  readonly at: number
  readonly actor: string
  readonly audit_seq: number
  readonly swept: number
}
export const ARCHIVES = "SELECT * FROM archive ORDER BY cut"
export const NEWEST_ARCHIVE = "SELECT * FROM archive ORDER BY cut DESC LIMIT 1"
export const ARCHIVE_OF_ENTRY = "SELECT a.* FROM entry e JOIN archive a ON a.cut = e.archived WHERE e.id = ?"
export const INSERT_ARCHIVE = `INSERT INTO archive (cut, head, counts, tree, entries, entries_sha256, carried_sha256,
    blobs, folder, file, sha256, at, actor, audit_seq, swept)
  VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`
export const SET_SWEPT = "UPDATE archive SET swept = 1 WHERE cut = ?"

/** What stays here of an archived entry. */
export const TOMBSTONE = [
  "id",
  "cast_id",
  "checksum",
  "request_id",
  "task_id",
  "agent",
  "payload_hash",
  "generation",
  "state",
  "priority",
  "rank",
  "landing",
  "attempts",
  "max_attempts",
  "lease_token",
  "expires_at",
  "created_at",
  "updated_at",
  "reason_code",
  "reason",
  "audit_seq",
  "archived",
  "landed_commit",
] as const
type Column = (typeof TOMBSTONE)[number]
export type Tombstone = Readonly<
  Record<Exclude<Column, "id" | "state" | "audit_seq">, string | number | null>
> & {
  readonly id: number
  readonly state: EntryState
  readonly audit_seq: number
}
export const TOMBSTONES_AFTER = `SELECT ${TOMBSTONE.join(", ")} FROM entry
  WHERE archived IS NOT NULL AND id > ? ORDER BY id LIMIT ? + 0`
export const INSERT_TOMBSTONE = `INSERT INTO entry (${TOMBSTONE.join(", ")}, decided)
  VALUES (${TOMBSTONE.map(() => "?").join(", ")}, 1)`

/**
 * Rows up to the cut that stay: those of entries that stay, persons' decisions about requests and all landings, earlier checkpoints, and
 * the adopted bases that are still stored. The delete trigger of the log (0006) says the same.
 */
const AUDIT_KEPT = `(CASE WHEN audit.entry_id IS NOT NULL
    THEN (SELECT e.archived FROM entry e WHERE e.id = audit.entry_id) IS NULL
    ELSE audit.event IN ('archived', 'frozen', 'thawed', 'approved', 'approval_recorded', 'rejected')
      OR (audit.event = 'base_adopted'
        AND EXISTS (SELECT 1 FROM base_checkpoint b WHERE b.audit_seq = audit.seq)) END)`
/** `?1` = behind this row, `?2` = the cut. */
export const CARRIED_AFTER = `SELECT * FROM audit WHERE seq > ?1 AND seq <= ?2 AND ${AUDIT_KEPT}
  ORDER BY seq LIMIT ?3 + 0`
/** All rows there are up to the cut: the same ones, once everything else was swept. */
export const LEFT_AFTER = "SELECT * FROM audit WHERE seq > ?1 AND seq <= ?2 ORDER BY seq LIMIT ?3 + 0"
/** The first one that may go, from a row on. */
export const GONE_ROWS = `SELECT seq FROM audit WHERE seq > ?1 AND seq <= ?2 AND NOT ${AUDIT_KEPT}
  ORDER BY seq LIMIT ?3 + 0`
export const DROP_ROW = "DELETE FROM audit WHERE seq = ?"

/** The newest row that is older than a moment; rows from the future (`?2`: now) say that a clock was wrong. */
export const NEWEST_OLD_ROW = `SELECT seq, hash, counts FROM audit WHERE seq < coalesce(
    (SELECT seq FROM audit WHERE at > ?1 AND at <= ?2 ORDER BY seq LIMIT 1), 9e15) ORDER BY seq DESC LIMIT 1`
/** Nothing waits for them, nothing was said about them since the cut. */
const ARCHIVABLE = `e.decided = 1 AND e.archived IS NULL AND e.audit_seq <= ?1
  AND NOT EXISTS (SELECT 1 FROM entry_dependency d JOIN entry w ON w.id = d.entry_id
    WHERE d.on_entry = e.id AND w.decided = 0)`
export const ARCHIVABLE_IDS = `SELECT e.id FROM entry e WHERE ${ARCHIVABLE} AND e.id > ?2 ORDER BY e.id LIMIT ?3 + 0`
export const MARK_ARCHIVED = `UPDATE entry AS e SET archived = ?1,
    landed_commit = (SELECT commit_id FROM receipt r WHERE r.entry_id = e.id)
  WHERE ${ARCHIVABLE}`
/** Behind the checkpoint before, up to the cut. */
export const TREE_BEFORE = `SELECT json_extract(data, '$.result_tree') AS tree FROM audit
  WHERE event = 'applied' AND seq > ? AND seq <= ? ORDER BY seq DESC LIMIT 1`
/** On what the first landing up to the cut that stays was made. */
export const FIRST_BASE = `SELECT json_extract(r.body, '$.base_tree') AS tree
  FROM audit a JOIN entry e ON e.id = a.entry_id JOIN receipt r ON r.entry_id = e.id
  WHERE a.event = 'applied' AND a.seq <= ?1 AND e.archived IS NULL AND NOT (${ARCHIVABLE})
  ORDER BY a.seq LIMIT 1`
export const DROP_BASE = "DELETE FROM base_checkpoint WHERE tree = ? AND audit_seq <= ?"
/** Adopted bases up to the cut on which no landing that stays was made. */
export const DROP_BASES = `DELETE FROM base_checkpoint WHERE audit_seq <= ?1 AND tree NOT IN (
    SELECT coalesce(json_extract(r.body, '$.base_tree'), '') FROM receipt r JOIN entry e ON e.id = r.entry_id
    WHERE e.archived IS NULL)`

/** Everything stored about an entry, for the archive's own file. */
export const ROWS_OF_ENTRY = {
  verification: "SELECT * FROM verification WHERE entry_id = ?",
  approvals: "SELECT * FROM approval WHERE entry_id = ? ORDER BY id",
  dead_letters: "SELECT * FROM dead_letter WHERE entry_id = ? ORDER BY id",
  depends_on: "SELECT on_entry FROM entry_dependency WHERE entry_id = ? ORDER BY on_entry",
  agent_runs: "SELECT * FROM agent_run WHERE task_id = (SELECT task_id FROM entry WHERE id = ?) ORDER BY id",
} as const
export const ENTRY_ROW = "SELECT * FROM entry WHERE id = ?"

/** Entries that were archived with a cut, behind an id. */
export const ARCHIVED_WITH =
  "SELECT id FROM entry WHERE archived IS NOT NULL AND archived = ?1 AND id > ?2 ORDER BY id LIMIT ?3 + 0"
export const DROPS_OF_ENTRY: readonly string[] = [
  "DELETE FROM entry_payload WHERE id = ?",
  "DELETE FROM receipt WHERE entry_id = ?",
  "DELETE FROM landing_effect WHERE entry_id = ?",
  "DELETE FROM verification WHERE entry_id = ?",
  "DELETE FROM approval WHERE entry_id = ?",
  "DELETE FROM dead_letter WHERE entry_id = ?",
  "DELETE FROM entry_dependency WHERE entry_id = ?",
  // A later answer of the same task may be here yet.
  `UPDATE agent_run SET prompt = '', answer = '' WHERE task_id = (SELECT task_id FROM entry WHERE id = ?1)
    AND NOT EXISTS (SELECT 1 FROM entry e WHERE e.task_id = agent_run.task_id AND e.archived IS NULL)`,
]

// ── stored contents that something still speaks of ───────────────────────────────────────────────────────────────
/** `?1`: of this entry only, unless null. */
const OF_ENTRIES = "(?1 IS NULL OR e.id = ?1) AND e.archived IS NULL"
export const REFERENCED: readonly string[] = [
  `SELECT before_hash AS hash FROM landing_effect l JOIN entry e ON e.id = l.entry_id WHERE ${OF_ENTRIES}`,
  `SELECT after_hash AS hash FROM landing_effect l JOIN entry e ON e.id = l.entry_id WHERE ${OF_ENTRIES}`,
  `SELECT json_extract(c.value, '$.patch_hash') AS hash FROM receipt r JOIN entry e ON e.id = r.entry_id,
    json_each(CASE WHEN json_valid(r.body) THEN r.body ELSE '{}' END, '$.patches') c WHERE ${OF_ENTRIES}`,
  ...["patch_hash", "base_hash"].map(
    (
      name,
    ) => `SELECT json_extract(c.value, '$.${name}') AS hash FROM entry_payload p JOIN entry e ON e.id = p.id,
    json_each(CASE WHEN json_valid(p.body) THEN p.body ELSE '{}' END, '$.change_request.changes') c
    WHERE ${OF_ENTRIES}`,
  ),
]
export const MANIFESTS = "SELECT manifest AS hash FROM base_checkpoint"
export const ENTRIES_SINCE =
  "SELECT DISTINCT entry_id AS id FROM audit WHERE seq > ? AND entry_id IS NOT NULL"
export const BLOB_HASHES =
  "SELECT rowid AS number, hash FROM blob WHERE rowid > ?1 AND rowid <= ?2 ORDER BY rowid LIMIT ?3 + 0"
export const DROP_BLOB = "DELETE FROM blob WHERE rowid = ?"
