import { waitingIn } from "./queue.sql.ts"

export const AWAITING_APPROVAL =
  "SELECT * FROM entry WHERE id > ? AND state = 'awaiting_approval' ORDER BY id LIMIT ? + 0"
/** A freeze is said once, not by every entry that waits for its end. A base that is red stops whoever is proven on it. */
const CANNOT_LAND = `SELECT * FROM entry WHERE ${waitingIn("verified")} AND reason_code != 'frozen'
  UNION ALL SELECT * FROM entry WHERE ${waitingIn("scheduled")} AND reason_code = 'base_red'`
export const BLOCKED = `SELECT * FROM (${CANNOT_LAND}) ORDER BY rank, id LIMIT ? + 0`
export const COUNT_BLOCKED = `SELECT count(*) AS n FROM (${CANNOT_LAND})`
const UNANSWERED =
  "NOT EXISTS (SELECT 1 FROM entry later WHERE later.task_id = entry.task_id AND later.id > entry.id)"
/** As many newest ones as there are, so that the search ends at the oldest; those that were swept are history. */
export const CONFLICTS = `SELECT * FROM (SELECT * FROM entry WHERE state = 'conflict' ORDER BY id DESC LIMIT ? + 0) AS entry
  WHERE ${UNANSWERED} AND EXISTS (SELECT 1 FROM entry_payload p WHERE p.id = entry.id) ORDER BY id DESC`
const DEAD_LETTERS = `FROM dead_letter d CROSS JOIN entry ON entry.id = d.entry_id WHERE ${UNANSWERED}`
export const OPEN_DEAD_LETTERS = `SELECT d.id, d.entry_id, entry.task_id, entry.agent, d.reason_class, d.error, d.failed_at
  ${DEAD_LETTERS} ORDER BY d.id DESC LIMIT ? + 0`
export const COUNT_DEAD_LETTERS = `SELECT count(*) AS n ${DEAD_LETTERS}`
/** There are as many as workers have in hand. */
export const LEASED = `SELECT * FROM entry WHERE ${waitingIn("in_progress")}
  UNION ALL SELECT * FROM entry WHERE ${waitingIn("committing")}`
export const READY_COUNT = `SELECT count(*) AS n FROM entry WHERE ${waitingIn("pending")}`
/** From the newest row back; of an archived landing only its entry is left. */
export const LAST_LANDING = `SELECT * FROM (
    SELECT entry_id, at FROM audit WHERE event = 'applied' ORDER BY seq DESC LIMIT 1)
  UNION ALL SELECT * FROM (SELECT id, updated_at FROM entry WHERE archived IS NOT NULL AND state = 'applied'
    ORDER BY id DESC LIMIT 1)
  ORDER BY at DESC LIMIT 1`
