/** The newest row at or before `?1`: one step of a search by time along the log, which has no index by time. */
export const ROW_AT_OR_BEFORE = "SELECT seq, at, counts FROM audit WHERE seq <= ? ORDER BY seq DESC LIMIT 1"
export const FIRST_SEQ = "SELECT seq FROM audit ORDER BY seq LIMIT 1"
export interface LogPoint {
  readonly seq: number
  readonly at: number
  readonly counts: string
}

/** Sums and means over the rows behind `?1`: as many as the caller lets it be, however long the log is. */
export const WINDOW = `SELECT
    avg(CASE WHEN w.event = 'leased' THEN w.at - p.at END) AS dequeue,
    avg(CASE WHEN w.event = 'applied' THEN w.at - p.at END) AS apply,
    avg(CASE WHEN w.event = 'applied' THEN w.at - e.created_at END) AS cast,
    count(*) FILTER (WHERE w.event IN ('lease_reclaimed', 'lease_lost')) AS contention,
    count(*) FILTER (WHERE w.event = 'agent_run') AS agent_runs,
    count(*) FILTER (WHERE w.event = 'verified' AND instr(w.data, '"guards":') > 0
      AND instr(w.data, '"guards":0') = 0) AS passed,
    count(*) FILTER (WHERE w.event = 'failed' AND instr(w.data, '"reason_class":"guard"') > 0) AS failed,
    count(*) FILTER (WHERE w.event IN ('retry_scheduled', 'failed') AND instr(w.data, '"code":"guard_') > 0
      AND instr(w.data, '"reason_class":"guard"') = 0) AS infra,
    min(w.at) AS first_at
  FROM audit w
    LEFT JOIN audit p ON p.seq = w.entry_previous AND w.event IN ('leased', 'applied')
    LEFT JOIN entry e ON e.id = w.entry_id AND w.event = 'applied'
  WHERE w.seq > ?`
export interface WindowSums {
  readonly dequeue: number | null
  readonly apply: number | null
  readonly cast: number | null
  readonly contention: number
  readonly agent_runs: number
  readonly passed: number
  readonly failed: number
  readonly infra: number
  /** When the oldest of the rows was written; null when there is none. */
  readonly first_at: number | null
}

export const ROWS_OF_EVENT =
  "SELECT seq, at, entry_id, entry_previous, event FROM audit WHERE seq > ?1 AND event = ?2 ORDER BY seq DESC LIMIT ?3 + 0"
export const ROW = "SELECT seq, at, entry_id, entry_previous, event FROM audit WHERE seq = ?"
export interface ChainedRow {
  readonly seq: number
  readonly at: number
  readonly entry_id: number | null
  readonly entry_previous: number | null
  readonly event: string
}

/** A large cast is not parsed for one number. */
export const COMPLEXITY = `SELECT json_extract(body, '$.change_request.metadata.complexity') AS complexity
  FROM entry_payload WHERE id = ? AND octet_length(body) <= 65536`
export const META_VALUES = "SELECT key, value FROM meta WHERE key IN (?, ?, ?, ?)"
/** Says how the write-ahead log stands, and leaves it as it is. */
export const WAL_STATS = "PRAGMA wal_checkpoint(NOOP)"
export interface WalStats {
  readonly busy: number
  readonly log: number
  readonly checkpointed: number
}
