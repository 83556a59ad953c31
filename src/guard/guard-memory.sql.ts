export const GET_GUARD_OUTPUT = "SELECT output FROM guard_memory WHERE key = ?"
export const PUT_GUARD_OUTPUT = `INSERT INTO guard_memory (key, output, at) VALUES (?1, ?2, ?3)
  ON CONFLICT (key) DO UPDATE SET output = excluded.output, at = excluded.at`
