export const GET_META = "SELECT value FROM meta WHERE key = ?"
export const SET_META =
  "INSERT INTO meta (key, value) VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET value = excluded.value"
export const DROP_META = "DELETE FROM meta WHERE key = ?"
