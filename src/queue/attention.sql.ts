export const AWAITING_APPROVAL =
  "SELECT * FROM entry WHERE id > ? AND state = 'awaiting_approval' ORDER BY id LIMIT ? + 0"
/** A freeze is said once, not by every entry that waits for its end. */
export const BLOCKED = `SELECT * FROM entry WHERE state = 'verified' AND reason_code != 'frozen'
  ORDER BY rank, id LIMIT ? + 0`
export const LATER_OF_TASK = "SELECT id FROM entry WHERE task_id = ? AND id > ? LIMIT 1"
/** From the newest row back: as far as nothing has landed since. */
export const LAST_LANDING = "SELECT entry_id, at FROM audit WHERE event = 'applied' ORDER BY seq DESC LIMIT 1"
