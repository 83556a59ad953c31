export const PUT_LANDING = "INSERT INTO landing_journal (id, record, created_at) VALUES (?, ?, ?)"
export const DROP_LANDING = "DELETE FROM landing_journal WHERE id = ?"
export const OPEN_LANDINGS = "SELECT id, record, created_at FROM landing_journal ORDER BY created_at"
