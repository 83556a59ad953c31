/** Results that no retention keeps: green ones older than `?1`, others older than `?2`. */
export const OLD_GUARD_RESULTS = `SELECT key, octet_length(output) AS bytes FROM guard_memory
  WHERE at < max(?1, ?2)
    AND CASE WHEN json_valid(output) AND json_extract(output, '$.result') = 'passed' THEN at < ?1 ELSE at < ?2 END
  ORDER BY at LIMIT ?3 + 0`
export const DROP_GUARD_RESULT = "DELETE FROM guard_memory WHERE key = ?"

/** `kept`: an answer of its task waits or has landed, and is explained by it. */
export const RUNS_AFTER = `SELECT r.id, r.started_at, octet_length(r.prompt) + octet_length(r.answer) AS bytes,
    EXISTS (SELECT 1 FROM entry e WHERE e.task_id = r.task_id AND e.archived IS NULL
      AND (e.decided = 0 OR e.state = 'applied')) AS kept
  FROM agent_run r WHERE r.id > ? ORDER BY r.id LIMIT ? + 0`
export interface RunStep {
  readonly id: number
  readonly started_at: number
  readonly bytes: number
  readonly kept: number
}
export const EMPTY_RUN = "UPDATE agent_run SET prompt = '', answer = '' WHERE id = ?"

export const OLD_CHECKOUTS = "SELECT directory FROM checkout WHERE created_at < ? ORDER BY directory"
export const DROP_CHECKOUT = "DELETE FROM checkout WHERE directory = ?"

/** Logs that what is not decided yet, and remembered results, name. */
export const NAMED_LOGS = `SELECT json_extract(g.value, '$.log_sha256') AS hash FROM verification v,
    json_each(CASE WHEN json_valid(v.body) THEN v.body ELSE '{}' END, '$.guard_outputs') g
  UNION SELECT json_extract(CASE WHEN json_valid(output) THEN output ELSE '{}' END, '$.log_sha256') FROM guard_memory`
