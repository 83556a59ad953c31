import { SQLiteError, Database as Sqlite } from "bun:sqlite"
import { chmodSync, existsSync } from "node:fs"
import { dirname } from "node:path"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { type Bell, makeBells } from "./Bell.ts"
import { groupCommit } from "./group-commit.ts"
import { IDENTITY, type Identity } from "./identity.sql.ts"
import { endedOwners, holdWorkerLock, liveWorkers } from "./live-workers.ts"
import migration0001 from "./migrations/0001_queue.sql" with { type: "text" }
import migration0002 from "./migrations/0002_blobs.sql" with { type: "text" }
import migration0003 from "./migrations/0003_held.sql" with { type: "text" }
import migration0004 from "./migrations/0004_awaiting.sql" with { type: "text" }
import migration0005 from "./migrations/0005_fewer_pages.sql" with { type: "text" }
import migration0006 from "./migrations/0006_archive.sql" with { type: "text" }
import migration0007 from "./migrations/0007_modifications.sql" with { type: "text" }
import { NO_TURNSTILE, openTurnstile, type Turnstile } from "./turnstile.ts"

const MIGRATIONS: readonly string[] = [
  migration0001,
  migration0002,
  migration0003,
  migration0004,
  migration0005,
  migration0006,
  migration0007,
]
export const SCHEMA_VERSION = MIGRATIONS.length
/** "HYPR": tells our database from any other SQLite file. */
const APPLICATION_ID = 0x48595052
/** The first bundled SQLite without the WAL-reset corruption (sqlite.org release log 3.51.3). */
const MIN_SQLITE = [3, 51, 3] as const
/** How long a statement waits for another process's lock. SQLite's own default, and Bun's, is 0. */
const BUSY_TIMEOUT_MS = 5_000

// Bun keeps the 20 statements used last; the queue has more, and compiling one again costs as much as running it.
Sqlite.MAX_QUERY_CACHE_SIZE = 256

export type DatabaseFault =
  | "busy"
  | "corrupt"
  | "read_only"
  | "full"
  | "missing"
  | "foreign"
  | "too_new"
  | "outdated"
  | "other"

/** The database cannot be used, or refused a statement. Nothing of the failed transaction is stored. */
export class DatabaseError extends Data.TaggedError("DatabaseError")<{
  readonly fault: DatabaseFault
  readonly file: string
  readonly detail: string
}> {
  override get message(): string {
    return `${SENTENCES[this.fault]}: ${this.file}${this.detail === "" ? "" : ` (${this.detail})`}`
  }
}

const SENTENCES: Record<DatabaseFault, string> = {
  busy: "the queue database is locked by another process",
  corrupt: "the queue database is damaged",
  read_only: "the queue database cannot be written",
  full: "the disk is full",
  missing: "there is no queue database here",
  foreign: "this SQLite file is not a Hyperion queue",
  too_new: "the queue database was written by a newer Hyperion",
  outdated: "the queue database must be migrated first, and cannot be now",
  other: "the queue database refused a statement",
}

const faultOf = (error: unknown): DatabaseFault => {
  const code = error instanceof SQLiteError ? (error.code ?? "") : ""
  if (code.startsWith("SQLITE_BUSY") || code.startsWith("SQLITE_LOCKED")) return "busy"
  if (code.startsWith("SQLITE_CORRUPT") || code === "SQLITE_NOTADB") return "corrupt"
  if (code.startsWith("SQLITE_READONLY") || code.startsWith("SQLITE_CANTOPEN") || code === "SQLITE_PERM")
    return "read_only"
  // Not even room for the shared memory beside it.
  if (code === "SQLITE_FULL" || code === "SQLITE_IOERR_SHMSIZE") return "full"
  return "other"
}

export interface DatabaseShape {
  readonly file: string
  /** Schema of a file that is older than this binary's and was not migrated: it can be read, and not be written. */
  readonly outdated: number | null
  /**
   * Says that a worker works on this database until the scope ends, or the process: no other version migrates it
   * meanwhile. Fails with `too_new` when one has.
   */
  readonly enter: Effect.Effect<void, DatabaseError, Scope.Scope>
  /** The workers that are at work on this database, in all processes. */
  readonly workers: Effect.Effect<readonly string[]>
  /** Whether a lease's owner (`worker-<process>`) has ended, for all owners as of now. */
  readonly ended: Effect.Effect<(owner: string) => boolean>
  /** Hears of every commit from now on, until the scope ends. */
  readonly listen: Effect.Effect<Bell, never, Scope.Scope>
  /**
   * Runs `body` in one `BEGIN IMMEDIATE` transaction: all of it is stored, or, when it throws, nothing. No I/O inside.
   * `durable` makes the commit survive power loss (synchronous=FULL); otherwise it survives the process only.
   */
  readonly write: <A>(
    body: (db: Sqlite) => A,
    options?: { readonly durable?: boolean },
  ) => Effect.Effect<A, DatabaseError>
  /** Runs `body` outside any transaction. It must finish its statements: an open read grows the WAL without bound. */
  readonly read: <A>(body: (db: Sqlite) => A) => Effect.Effect<A, DatabaseError>
}

export interface DatabaseOptions {
  readonly file: string
  /** Make it when it is not there; otherwise a missing file is an error that names it. */
  readonly create: boolean
  /** Every commit survives power loss (`--durable full`). */
  readonly durable?: boolean
  /** How long a statement waits for another process's lock, in ms (5,000). */
  readonly busyTimeoutMs?: number
  /** `false`: an older file is left as it is, and can only be read. */
  readonly migrate?: boolean
}

const open = (options: DatabaseOptions) => {
  const {
    file,
    create,
    durable = false,
    busyTimeoutMs = BUSY_TIMEOUT_MS,
    migrate: mayMigrate = true,
  } = options
  const failed = (fault: DatabaseFault, detail: string) => new DatabaseError({ fault, file, detail })
  const attempt = <A>(body: () => A): Effect.Effect<A, DatabaseError> =>
    Effect.try({
      try: body,
      catch: (error) => {
        if (error instanceof DatabaseError) return error
        if (!(error instanceof SQLiteError)) throw error
        return failed(faultOf(error), error.message)
      },
    })

  const acquire = attempt(() => {
    if (file !== ":memory:" && !existsSync(create ? dirname(file) : file)) throw failed("missing", "")
    const isNew = file !== ":memory:" && !existsSync(file)
    const db = new Sqlite(file, { create: true, readwrite: true, strict: true })
    try {
      // Before the first page: SQLite gives the WAL beside it the same mode.
      if (isNew) chmodSync(file, 0o600)
      return { db, outdated: prepare(db) }
    } catch (error) {
      db.close()
      throw error
    }
  })

  const prepare = (db: Sqlite) => {
    // First of all: even opening in WAL mode can meet a lock.
    db.run(`PRAGMA busy_timeout = ${busyTimeoutMs}`)
    const found = db.query<Identity, []>(IDENTITY).get()!
    const parts = found.sqlite.split(".").map(Number)
    const older = MIN_SQLITE.findIndex((least, index) => (parts[index] ?? 0) !== least)
    if (older >= 0 && (parts[older] ?? 0) < MIN_SQLITE[older]!)
      throw failed("other", `SQLite ${found.sqlite} is too old`)
    const untouched = found.application === 0 && found.version === 0 && found.objects === 0
    // Made new it would look like a queue that never held anything.
    if (untouched && !create)
      throw failed("missing", "the file is empty; if it held a queue, put a backup in its place")
    if (found.application !== APPLICATION_ID && !untouched)
      throw failed("foreign", "its application id is not ours")
    if (found.version > SCHEMA_VERSION)
      throw failed("too_new", `schema ${found.version}, this binary knows ${SCHEMA_VERSION}`)
    useWal(db, busyTimeoutMs)
    db.run(`PRAGMA synchronous = ${durable ? "FULL" : "NORMAL"}`)
    db.run("PRAGMA trusted_schema = OFF")
    db.run("PRAGMA wal_autocheckpoint = 1000")
    db.run("PRAGMA journal_size_limit = 16777216")
    const isReady = found.version >= SCHEMA_VERSION || (mayMigrate && migrate(db, file))
    // Last: a migration that replaces a table must not delete what names its rows.
    db.run("PRAGMA foreign_keys = ON")
    return isReady ? null : found.version
  }

  return Effect.map(
    Effect.all([
      makeBells(file === ":memory:" ? null : file),
      Effect.acquireRelease(acquire, ({ db }) => Effect.sync(() => db.close())),
    ]),
    ([bells, { db, outdated }]): DatabaseShape => {
      let turnstile: Turnstile | null = null
      const transaction = <A>(isFull: boolean, body: (db: Sqlite) => A): A => {
        if (outdated !== null) throw failed("outdated", outdatedDetail(outdated, file))
        // Commands that only read take no place at it.
        turnstile ??= file === ":memory:" ? NO_TURNSTILE : openTurnstile(file)
        const raised = isFull && !durable
        if (raised) db.run("PRAGMA synchronous = FULL")
        try {
          const value = inTurn(db, turnstile, busyTimeoutMs, body)
          bells.ring()
          return value
        } finally {
          if (raised) db.run("PRAGMA synchronous = NORMAL")
        }
      }
      const flushed = groupCommit((work) => transaction(true, work))
      return {
        file,
        outdated,
        enter:
          file === ":memory:"
            ? Effect.void
            : Effect.asVoid(
                Effect.acquireRelease(
                  attempt(() => enter(db, file, failed)),
                  (leave) => Effect.sync(leave),
                ),
              ),
        workers: Effect.sync(() => (file === ":memory:" ? [] : liveWorkers(file))),
        ended: Effect.sync(() => (file === ":memory:" ? () => false : endedOwners(file))),
        listen: bells.listen,
        // Without a flush a commit costs less than gathering others for it.
        write: (body, options) =>
          durable || options?.durable === true
            ? flushed(body, attempt)
            : attempt(() => transaction(false, body)),
        read: (body) => attempt(() => body(db)),
      }
    },
  )
}

/**
 * SQLite answers "locked" at once, without its busy timeout, when two processes turn the same new file into a WAL
 * database at the same time: waiting is ours to do.
 */
const useWal = (db: Sqlite, busyTimeoutMs: number) => {
  for (let left = busyTimeoutMs; ; left -= WAL_PAUSE_MS) {
    try {
      db.run("PRAGMA journal_mode = WAL")
      return
    } catch (error) {
      if (left <= 0 || faultOf(error) !== "busy") throw error
      Bun.sleepSync(WAL_PAUSE_MS)
    }
  }
}
const WAL_PAUSE_MS = 5

const versionOf = (db: Sqlite): number =>
  Number(Object.values(db.query("PRAGMA user_version").get() as object)[0])

const outdatedDetail = (version: number, file: string): string => {
  // A worker that begins holds its lock already, and is none of the others.
  const workers = liveWorkers(file)
    .map((name) => name.split(".")[0])
    .filter((processId) => processId !== String(process.pid))
  return workers.length === 0
    ? `schema ${version}, this binary needs ${SCHEMA_VERSION}`
    : `schema ${version}, and workers of another version are at work: process ${workers.join(", ")}`
}

/** False: workers are at work on the file, and nothing was migrated. */
const migrate = (db: Sqlite, file: string): boolean => {
  db.run("BEGIN IMMEDIATE")
  try {
    // Read again under the lock: another process may have migrated in between.
    const current = versionOf(db)
    // Under the lock as well: a worker that comes later finds the new version, see `enter`.
    const mayMigrate = current === 0 || current >= SCHEMA_VERSION || liveWorkers(file).length === 0
    if (mayMigrate && current < SCHEMA_VERSION) {
      for (const sql of MIGRATIONS.slice(current)) db.run(sql)
      db.run(`PRAGMA application_id = ${APPLICATION_ID}`)
      db.run(`PRAGMA user_version = ${SCHEMA_VERSION}`)
    }
    db.run("COMMIT")
    return mayMigrate
  } catch (error) {
    if (db.inTransaction) db.run("ROLLBACK")
    throw error
  }
}

const lockOrFail = (
  file: string,
  failed: (fault: DatabaseFault, detail: string) => DatabaseError,
): (() => void) => {
  try {
    return holdWorkerLock(file, process.pid)
  } catch (error) {
    if (error instanceof SQLiteError) throw error
    const code = String((error as { readonly code?: unknown }).code ?? error)
    throw failed(code === "ENOSPC" ? "full" : "read_only", code)
  }
}

/** The lock first, then the version under the write lock: a migration before it is seen, a later one sees the lock. */
const enter = (
  db: Sqlite,
  file: string,
  failed: (fault: DatabaseFault, detail: string) => DatabaseError,
): (() => void) => {
  const leave = lockOrFail(file, failed)
  try {
    db.run("BEGIN IMMEDIATE")
    const version = versionOf(db)
    db.run("ROLLBACK")
    if (version > SCHEMA_VERSION)
      throw failed("too_new", `schema ${version}, this binary knows ${SCHEMA_VERSION}`)
    if (version < SCHEMA_VERSION) throw failed("outdated", outdatedDetail(version, file))
    return leave
  } catch (error) {
    if (db.inTransaction) db.run("ROLLBACK")
    leave()
    throw error
  }
}

/** One transaction, begun when it is this process's turn to write. */
const inTurn = <A>(db: Sqlite, turnstile: Turnstile, busyTimeoutMs: number, body: (db: Sqlite) => A): A => {
  const isFree = () => {
    db.run("PRAGMA busy_timeout = 0")
    try {
      db.query("BEGIN IMMEDIATE").run()
      return true
    } catch (error) {
      if (faultOf(error) !== "busy") throw error
      return false
    } finally {
      db.run(`PRAGMA busy_timeout = ${busyTimeoutMs}`)
    }
  }
  try {
    if (turnstile.enter(busyTimeoutMs, isFree) !== "taken") db.query("BEGIN IMMEDIATE").run()
    const value = body(db)
    db.query("COMMIT").run()
    return value
  } catch (error) {
    // A full disk or an I/O error may have rolled back already.
    if (db.inTransaction) db.run("ROLLBACK")
    throw error
  } finally {
    turnstile.leave()
  }
}

/** One warm connection to the workspace's SQLite file, closed with its scope. */
export class Database extends Context.Tag("hyperion/platform/Database")<Database, DatabaseShape>() {
  static readonly layer = (options: DatabaseOptions) => Layer.scoped(Database, open(options))
  static readonly layerMemory = Layer.scoped(Database, open({ file: ":memory:", create: true }))
}
