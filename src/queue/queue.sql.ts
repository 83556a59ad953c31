import type { EntryState } from "../domain/entry.ts"

/** One row of `entry`, as stored. Times are epoch milliseconds. */
export interface EntryRow {
  readonly id: number
  readonly cast_id: string
  readonly checksum: string
  readonly request_id: string
  readonly task_id: string
  readonly agent: string
  readonly payload_hash: string
  readonly generation: number
  readonly state: EntryState
  readonly priority: number
  readonly rank: number
  readonly blockers: number
  readonly held: number
  readonly landing: "independent" | "in_order" | "together"
  readonly attempts: number
  readonly max_attempts: number
  readonly lease_owner: string | null
  readonly lease_token: number
  readonly leased_until: number | null
  readonly run_at: number | null
  readonly expires_at: number
  readonly created_at: number
  readonly updated_at: number
  readonly reason_code: string | null
  readonly reason: string | null
  readonly supersedes: number | null
  readonly audit_seq: number
  /** Cut of the checkpoint it went into an archive with; null while it is all here. */
  readonly archived: number | null
  /** Of an archived landing. */
  readonly landed_commit: string | null
}

// `LIMIT ? + 0`: the planner peeks at a bare `LIMIT ?`, so SQLite compiles such a statement again at every run (measured:
// 8 µs instead of 1).

/** What `entry_live` is ordered by, word for word: SQLite knows an index on an expression by its text. */
const WAITS_IN = "CASE WHEN state = 'pending' AND (blockers > 0 OR held = 1) THEN 'blocked' ELSE state END"
export const TURN = "coalesce(leased_until, run_at, rank)"
/** Pending ones that wait for others, or for a person, are not among the pending. */
export const waitingIn = (state: EntryState): string => `decided = 0 AND ${WAITS_IN} = '${state}'`

export const ENTRY_BY_ID = "SELECT * FROM entry WHERE id = ?"
export const PAYLOAD_BY_ID = "SELECT body FROM entry_payload WHERE id = ?"

// ── enqueue ──────────────────────────────────────────────────────────────────────────────────────────────────────
/** Every submission of a task, in no order. */
export const ENTRIES_OF_TASK = "SELECT * FROM entry WHERE task_id = ?"
export const INSERT_ENTRY = `INSERT INTO entry (
    cast_id, checksum, request_id, task_id, agent, payload_hash, generation, state, priority, rank, blockers, landing,
    max_attempts, expires_at, created_at, updated_at, supersedes, audit_seq)
  VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 'pending', ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?14, ?15, ?16)`
export const INSERT_PAYLOAD = "INSERT INTO entry_payload (id, body) VALUES (?, ?)"
export const INSERT_DEPENDENCY = "INSERT OR IGNORE INTO entry_dependency (entry_id, on_entry) VALUES (?, ?)"
/** The agent's virtual time, and whether the entry that set it still waits. */
export const AGENT_CLOCK = `SELECT c.virtual_time, e.state IN ('pending', 'scheduled') AS waiting
  FROM agent_clock c JOIN entry e ON e.id = c.last_entry WHERE c.agent = ? AND c.priority = ?`
export const SET_AGENT_CLOCK = `INSERT INTO agent_clock (agent, priority, virtual_time, last_entry) VALUES (?, ?, ?, ?)
  ON CONFLICT (agent, priority) DO UPDATE SET virtual_time = excluded.virtual_time, last_entry = excluded.last_entry`
/** Whether an entry (`?1`) waits, over any number of steps, for an unlanded submission of a task (`?2`). */
export const WAITS_FOR_TASK = `WITH RECURSIVE open (id) AS (
    SELECT ?1 UNION
    SELECT d.on_entry FROM open JOIN entry_dependency d ON d.entry_id = open.id JOIN entry e ON e.id = d.on_entry
    WHERE e.state != 'applied')
  SELECT 1 AS found FROM open JOIN entry e ON e.id = open.id WHERE e.task_id = ?2 AND e.state != 'applied' LIMIT 1`
export const REPOINT_DEPENDENTS = "UPDATE OR IGNORE entry_dependency SET on_entry = ?1 WHERE on_entry = ?2"
/** What `REPOINT_DEPENDENTS` leaves: dependents that already waited for the new entry as well. */
export const DROP_DEPENDENTS = "DELETE FROM entry_dependency WHERE on_entry = ?"
/** Counted afresh, never up and down: a wrong step would block an entry for ever, or let it go too early. */
export const RECOUNT_BLOCKERS = `UPDATE entry SET blockers = (
    SELECT count(*) FROM entry_dependency d JOIN entry o ON o.id = d.on_entry
    WHERE d.entry_id = entry.id AND o.state != 'applied')
  WHERE id IN (SELECT entry_id FROM entry_dependency WHERE on_entry = ?)`
export const DEPENDENT_OF = "SELECT entry_id FROM entry_dependency WHERE on_entry = ? LIMIT 1"
export const COUNT_UP = `INSERT INTO meta (key, value) VALUES (?1, CAST(?2 AS TEXT))
  ON CONFLICT (key) DO UPDATE SET value = CAST(CAST(value AS INTEGER) + ?2 AS TEXT)`

// ── lease ────────────────────────────────────────────────────────────────────────────────────────────────────────
export const READY = `SELECT * FROM entry WHERE ${waitingIn("pending")} ORDER BY ${TURN}, id LIMIT ? + 0`
export const READY_ONE =
  "SELECT * FROM entry WHERE id = ? AND state = 'pending' AND blockers = 0 AND held = 0"
export const WAITING_DEPENDENTS = `SELECT e.* FROM entry_dependency d JOIN entry e ON e.id = d.entry_id
  WHERE d.on_entry = ? AND e.state = 'pending' AND e.held = 0 AND e.blockers > 0 ORDER BY e.rank, e.id`
export const DEPENDENCIES_OF = "SELECT on_entry FROM entry_dependency WHERE entry_id = ?"
/** `?6` and `?7` are what it was read with: the token, and the attempts before this one. */
export const LEASE = `UPDATE entry SET state = 'in_progress', attempts = ?7 + 1, lease_owner = ?2,
    lease_token = ?6 + 1, leased_until = ?3, updated_at = ?4, reason_code = NULL, reason = NULL, audit_seq = ?5
  WHERE id = ?1 AND state = 'pending' AND lease_token = ?6`
export const RENEW = `UPDATE entry SET leased_until = ?3
  WHERE id = ?1 AND lease_token = ?2 AND lease_owner IS NOT NULL`
/** A landing that was begun is not among them: recovery decides from its journal. */
export const EXPIRED_LEASES = `SELECT * FROM entry WHERE ${waitingIn("in_progress")} AND ${TURN} < ?
  ORDER BY ${TURN} LIMIT ? + 0`
export const EXPIRING = `SELECT * FROM entry WHERE decided = 0 AND expires_at <= ?
  AND state IN ('scheduled', 'pending', 'verified', 'awaiting_approval') ORDER BY expires_at LIMIT ? + 0`
export const DUE = `SELECT * FROM entry WHERE ${waitingIn("scheduled")} AND ${TURN} <= ?
  ORDER BY ${TURN} LIMIT ? + 0`
export const PROVEN = `SELECT * FROM entry WHERE ${waitingIn("verified")} AND held = 0
  ORDER BY ${TURN}, id LIMIT ? + 0`

// ── transitions ──────────────────────────────────────────────────────────────────────────────────────────────────
const moveSetting = (
  more: string,
) => `UPDATE entry SET state = ?2, lease_owner = ?5, leased_until = ?6, run_at = ?7,
    updated_at = ?8, reason_code = ?9, reason = ?10, attempts = ?11, lease_token = ?12, audit_seq = ?13${more}
  WHERE id = ?1 AND state = ?3 AND lease_token = ?4`
/** `?3` and `?4` fence the write: the state it leaves and the token it was leased under. */
export const MOVE = moveSetting("")
export const MOVE_AND_DECIDE = moveSetting(", decided = 1")
export const MOVE_AND_REOPEN = moveSetting(", decided = 0")
/** Dependencies that must be landing, or have landed, before this entry may. */
export const OPEN_DEPENDENCIES = `SELECT count(*) AS n FROM entry_dependency d JOIN entry o ON o.id = d.on_entry
  WHERE d.entry_id = ? AND o.state NOT IN ('committing', 'applied')`
export const SET_AUDIT_SEQ = "UPDATE entry SET audit_seq = ?2 WHERE id = ?1"
export const SET_EXPIRY = "UPDATE entry SET expires_at = ?2 WHERE id = ?1"
export const SET_REASON = "UPDATE entry SET reason_code = ?2, reason = ?3 WHERE id = ?1"
export const PUT_VERIFICATION = `INSERT INTO verification
    (entry_id, base_commit, base_tree, result_tree, approval_digest, body, verified_at) VALUES (?, ?, ?, ?, ?, ?, ?)
  ON CONFLICT (entry_id) DO UPDATE SET base_commit = excluded.base_commit, base_tree = excluded.base_tree,
    result_tree = excluded.result_tree, approval_digest = excluded.approval_digest, body = excluded.body,
    verified_at = excluded.verified_at`
export const VERIFICATION = "SELECT * FROM verification WHERE entry_id = ?"
export const DROP_VERIFICATION = "DELETE FROM verification WHERE entry_id = ?"
export const PUT_RECEIPT =
  "INSERT OR REPLACE INTO receipt (entry_id, commit_id, landed_at, body) VALUES (?, ?, ?, ?)"
export const INSERT_DEAD_LETTER = `INSERT INTO dead_letter (entry_id, reason_class, error, report, failed_at)
  VALUES (?, ?, ?, ?, ?)`
export const DROP_DEAD_LETTERS = "DELETE FROM dead_letter WHERE entry_id = ?"

// ── approvals ────────────────────────────────────────────────────────────────────────────────────────────────────
export interface ApprovalRow {
  readonly id: number
  readonly entry_id: number | null
  readonly request_id: string | null
  readonly decision: "approve" | "reject"
  readonly approver: string
  readonly note: string | null
  readonly role: string | null
  readonly digest: string
  readonly presence: "tty" | "signature" | "none"
  readonly attested: number
  readonly signature: string | null
  readonly acknowledged: string
  readonly created_at: number
  readonly voided_at: number | null
  readonly void_reason: string | null
}
export const INSERT_APPROVAL = `INSERT INTO approval
    (entry_id, request_id, decision, approver, note, role, digest, presence, attested, signature, acknowledged, created_at)
  VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id`
export const APPROVALS_OF_ENTRY = "SELECT * FROM approval WHERE entry_id = ? ORDER BY id"
export const APPROVALS_OF_REQUEST = "SELECT * FROM approval WHERE request_id = ? ORDER BY id"
export const VOID_APPROVALS = `UPDATE approval SET voided_at = ?2, void_reason = ?3
  WHERE entry_id = ?1 AND voided_at IS NULL`

// ── reading ──────────────────────────────────────────────────────────────────────────────────────────────────────
export const LAST_ID = "SELECT coalesce(max(id), 0) AS id FROM entry"
export const IDS_BY_CAST = "SELECT id FROM entry WHERE cast_id = ?"
export const IDS_BY_TASK = "SELECT id FROM entry WHERE task_id = ?"
export const IDS_BY_REQUEST = "SELECT id FROM entry WHERE request_id = ?"
export const IDS_BY_COMMIT = `SELECT entry_id AS id FROM receipt WHERE commit_id >= ?1 AND commit_id < ?1 || 'g'
  UNION ALL SELECT id FROM entry WHERE landed_commit >= ?1 AND landed_commit < ?1 || 'g'
    AND NOT EXISTS (SELECT 1 FROM receipt r WHERE r.entry_id = entry.id)`
export const RECEIPT = "SELECT body FROM receipt WHERE entry_id = ?"
export const AHEAD_OF = `SELECT count(*) AS n FROM entry WHERE ${waitingIn("pending")} AND ${TURN} <= ?1
  AND (${TURN}, id) < (?1, ?2)`
export const DEAD_LETTER_OF = "SELECT * FROM dead_letter WHERE entry_id = ? ORDER BY id DESC LIMIT 1"

export interface ListFilter {
  readonly states?: readonly EntryState[]
  readonly agent?: string
  /** Only entries that touch this path. */
  readonly path?: string
  readonly requestId?: string
  /** Only undecided entries that a person holds. */
  readonly held?: boolean
  readonly since?: number
  readonly limit: number
  /** Entries older than this id: the cursor of the page before. */
  readonly before?: number
}

interface Query {
  readonly sql: string
  readonly values: (string | number)[]
}
type Condition = readonly [clause: string, ...bound: (string | number)[]]

/** A listing, newest first, from fixed fragments; every value is bound. */
const newestFirst = (select: string, id: string, where: readonly Condition[], limit: number): Query => ({
  sql: `${select} ${where.length === 0 ? "" : `WHERE ${where.map(([clause]) => clause).join(" AND ")}`}
  ORDER BY ${id} DESC LIMIT ? + 0`,
  values: [...where.flatMap(([, ...bound]) => bound), limit],
})

/** Asked per row, newest first, so that a page stops where it is full. */
const touches = (path: string): Condition => [
  `EXISTS (SELECT 1 FROM entry_payload p, json_each(CASE WHEN json_valid(p.body) THEN p.body ELSE '{}' END,
    '$.change_request.changes') c WHERE p.id = entry.id AND json_extract(c.value, '$.path') = ?)`,
  path,
]

export const listQuery = (filter: ListFilter): Query => {
  const where: Condition[] = []
  if (filter.states && filter.states.length > 0)
    where.push([`state IN (${filter.states.map(() => "?").join(", ")})`, ...filter.states])
  if (filter.agent !== undefined) where.push(["agent = ?", filter.agent])
  if (filter.requestId !== undefined) where.push(["request_id = ?", filter.requestId])
  if (filter.held) where.push(["held = 1 AND decided = 0"])
  if (filter.since !== undefined) where.push(["updated_at >= ?", filter.since])
  if (filter.before !== undefined) where.push(["id < ?", filter.before])
  if (filter.path !== undefined) where.push(touches(filter.path))
  return newestFirst("SELECT * FROM entry", "id", where, filter.limit)
}

/** `before`: dead letters older than this id of theirs. */
export type DeadLetterFilter = Pick<ListFilter, "agent" | "path" | "since" | "before" | "limit">

export const deadLetterQuery = (filter: DeadLetterFilter): Query => {
  const where: Condition[] = []
  if (filter.agent !== undefined) where.push(["entry.agent = ?", filter.agent])
  if (filter.since !== undefined) where.push(["d.failed_at >= ?", filter.since])
  if (filter.before !== undefined) where.push(["d.id < ?", filter.before])
  if (filter.path !== undefined) where.push(touches(filter.path))
  return newestFirst(
    `SELECT d.id, d.entry_id, entry.task_id, entry.agent, d.reason_class, d.error, d.failed_at
  FROM dead_letter d CROSS JOIN entry ON entry.id = d.entry_id`,
    "d.id",
    where,
    filter.limit,
  )
}
