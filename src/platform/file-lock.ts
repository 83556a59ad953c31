import { Database as Sqlite } from "bun:sqlite"

/**
 * One process at a time, by SQLite's lock on an empty file: the kernel drops it with the process that held it, so there
 * is nothing stale to judge, whatever process ids or clocks say.
 */
export interface FileLock {
  /** False while another process has it; throws when the file cannot be used. */
  readonly tryTake: () => boolean
  readonly release: () => void
  readonly close: () => void
}

/** Made durable by nobody and never written to: it exists to be locked. */
const open = (file: string): Sqlite => {
  const db = new Sqlite(file, { create: true, readwrite: true })
  try {
    db.run("PRAGMA busy_timeout = 0")
    // A write lock on an empty database prepares its first page; that must not cost a journal file.
    db.run("PRAGMA journal_mode = MEMORY")
    return db
  } catch (error) {
    db.close()
    throw error
  }
}

const isBusy = (error: unknown): boolean =>
  String((error as { readonly code?: unknown }).code ?? "").startsWith("SQLITE_BUSY")

export const fileLock = (file: string): FileLock => {
  let db: Sqlite | null = null
  return {
    tryTake: () => {
      try {
        // Opening meets the lock as well.
        db ??= open(file)
        db.run("BEGIN EXCLUSIVE")
        return true
      } catch (error) {
        if (isBusy(error)) return false
        throw error
      }
    },
    release: () => void db?.run("ROLLBACK"),
    close: () => db?.close(),
  }
}
