/** Landed entries in the order of their ids, a page at a time. */
export const LANDED_AFTER =
  "SELECT * FROM entry WHERE state = 'applied' AND archived IS NULL AND id > ? ORDER BY id LIMIT ? + 0"
export const ARCHIVED_LANDINGS =
  "SELECT count(*) AS n FROM entry WHERE archived IS NOT NULL AND state = 'applied'"
/** What an agent landed since a moment, newest landing first. */
export const LANDED_BY = `SELECT e.* FROM receipt r JOIN entry e ON e.id = r.entry_id
  WHERE e.agent = ? AND r.landed_at >= ? AND e.state = 'applied' AND e.archived IS NULL
  ORDER BY json_extract(r.body, '$.audit_seq') DESC`
export const RUNS_OF_TASK = `SELECT agent, model, outcome, prompt, answer, started_at FROM agent_run
  WHERE task_id = ? ORDER BY id DESC`
/** `?1`: the row of a landing; those that landed in the same step come right behind it. `?2`: a tree. */
export const LANDED_WITH = `SELECT 1 AS found FROM audit WHERE event = 'applied' AND seq >= ?1 AND seq < ?1 + 64
  AND json_extract(data, '$.result_tree') = ?2 LIMIT 1`
