export const AWAITING_APPROVAL =
  "SELECT * FROM entry WHERE id > ? AND state = 'awaiting_approval' ORDER BY id LIMIT ? + 0"
/** A freeze is said once, not by every entry that waits for its end. */
export const BLOCKED = `SELECT * FROM entry WHERE state = 'verified' AND reason_code != 'frozen'
  ORDER BY rank, id LIMIT ? + 0`
export const LATER_OF_TASK = "SELECT id FROM entry WHERE task_id = ? AND id > ? LIMIT 1"
/** From the newest row back; of an archived landing only its entry is left. */
export const LAST_LANDING = `SELECT * FROM (
    SELECT entry_id, at FROM audit WHERE event = 'applied' ORDER BY seq DESC LIMIT 1)
  UNION ALL SELECT * FROM (SELECT id, updated_at FROM entry WHERE archived IS NOT NULL AND state = 'applied'
    ORDER BY id DESC LIMIT 1)
  ORDER BY at DESC LIMIT 1`
