import { waitingIn } from "./queue.sql.ts"

export const SET_HELD = "UPDATE entry SET held = ?2 WHERE id = ?1"
export const HELD = "SELECT * FROM entry WHERE held = 1 AND decided = 0 ORDER BY id LIMIT ? + 0"
export const COUNT_HELD = "SELECT count(*) AS n FROM entry WHERE held = 1 AND decided = 0"
/** What waited only for the thaw says so no longer. */
export const CLEAR_FROZEN = `UPDATE entry SET reason_code = NULL, reason = NULL
  WHERE ${waitingIn("verified")} AND reason_code = 'frozen'`
