export const GET_GUARD_OUTPUT = "SELECT output FROM guard_memory WHERE key = ?"
/** Whoever has something tried again does not want to hear what is remembered. */
export const FORGET_RED = "DELETE FROM guard_memory WHERE json_extract(output, '$.result') = 'failed'"
export const PUT_GUARD_OUTPUT = `INSERT INTO guard_memory (key, output, at) VALUES (?1, ?2, ?3)
  ON CONFLICT (key) DO UPDATE SET output = excluded.output, at = excluded.at`
