export const PUT_REQUEST = `INSERT INTO request (request_id, state, digest, body, created_at, updated_at)
  VALUES (?1, ?2, ?3, ?4, ?5, ?5)
  ON CONFLICT (request_id) DO UPDATE SET state = excluded.state, digest = excluded.digest, body = excluded.body,
    updated_at = excluded.updated_at`
export const REQUEST =
  "SELECT request_id, state, digest, body, created_at, updated_at FROM request WHERE request_id = ?"
export const REQUESTS_IN_STATE =
  "SELECT request_id, state, digest, body, created_at, updated_at FROM request WHERE state = ? ORDER BY created_at LIMIT ? + 0"
export const PUT_ASSIGNMENT = `INSERT INTO assignment (task_id, request_id, body) VALUES (?, ?, ?)
  ON CONFLICT (task_id) DO UPDATE SET request_id = excluded.request_id, body = excluded.body`
export const DROP_ASSIGNMENTS = "DELETE FROM assignment WHERE request_id = ?"
export const ASSIGNMENT = "SELECT body FROM assignment WHERE task_id = ?"
export const INSERT_AGENT_RUN = `INSERT INTO agent_run
    (task_id, agent, model, outcome, prompt, answer, usage, started_at, duration_ms)
  VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`
export const TASKS_OF_REQUEST =
  "SELECT task_id FROM assignment WHERE request_id = ? ORDER BY length(task_id), task_id"
