import type { Database } from "bun:sqlite"
import { accessSync, constants, statSync } from "node:fs"
import { FOREIGN_KEYS, FULL_CHECK, QUICK_CHECK } from "./database-check.sql.ts"

/** What is wrong with the structure, in SQLite's words; empty when nothing is. `full` reads every index entry too. */
export const structureProblems = (db: Database, full: boolean): readonly string[] => {
  const lines = db
    .query<Record<string, string>, []>(full ? FULL_CHECK : QUICK_CHECK)
    .all()
    .flatMap((row) => Object.values(row))
    .filter((line) => line !== "ok")
  if (!full || lines.length > 0) return lines
  return db
    .query<{ table: string; rowid: number | null; parent: string }, []>(FOREIGN_KEYS)
    .all()
    .slice(0, 5)
    .map(({ table, rowid, parent }) => `row ${rowid} of ${table} names a row of ${parent} that is not there`)
}

/** SQLite's plan of a statement, one line a step. */
export const planOf = (db: Database, statement: string): readonly string[] => {
  const explain = db.prepare<{ detail: string }, null[]>(`EXPLAIN QUERY PLAN ${statement}`)
  try {
    return explain.all(...Array.from({ length: explain.paramsCount }, () => null)).map(({ detail }) => detail)
  } finally {
    // Left open, it would block the next checkpoint.
    explain.finalize()
  }
}

/** Bytes of a file; 0 when it is not there. */
export const sizeOf = (file: string): number => statSync(file, { throwIfNoEntry: false })?.size ?? 0

export const mayWrite = (file: string): boolean => {
  try {
    accessSync(file, constants.W_OK)
    return true
  } catch {
    return false
  }
}
