/** From a lease to what came of it, over the rows behind `?1`, newest first: the time that workers had entries in hand. */
export const WORK_SPANS = `SELECT p.at AS "from", w.at AS "to" FROM audit w JOIN audit p ON p.seq = w.entry_previous
  WHERE w.seq > ? AND w.event IN ('verified', 'failed', 'conflicted', 'retry_scheduled') AND p.event = 'leased'
  ORDER BY w.seq DESC LIMIT ? + 0`
