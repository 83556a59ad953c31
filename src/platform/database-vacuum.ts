import type { Database } from "bun:sqlite"
import { CHECKPOINT_TRUNCATE, VACUUM } from "./database-check.sql.ts"
import { sizeOf } from "./database-check.ts"

/** Bytes of the database with its write-ahead log. */
export const databaseBytes = (file: string): number => sizeOf(file) + sizeOf(`${file}-wal`)

/**
 * Gives free pages back to the file system. Holds the write lock for as long as copying what is left takes, and needs
 * as much room beside it meanwhile.
 */
export const vacuum = (db: Database): void => {
  db.run(VACUUM)
  db.query(CHECKPOINT_TRUNCATE).get()
}
