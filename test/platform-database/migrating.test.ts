import { Database as Sqlite } from "bun:sqlite"
import { describe, expect } from "bun:test"
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Database, type DatabaseOptions, SCHEMA_VERSION } from "../../src/platform/Database.ts"
import { holdWorkerLock, liveWorkers, workersFolder } from "../../src/platform/live-workers.ts"
import { it } from "../support/effect.ts"
import { tempFolder } from "../support/temp.ts"

const MIGRATIONS = join(import.meta.dir, "../../src/platform/migrations")

/** A database as the first schema left it, with a row in it. */
const oldDatabase = Effect.map(tempFolder, (folder) => {
  const file = join(folder, "hyperion.db")
  const db = new Sqlite(file, { create: true })
  db.run("PRAGMA journal_mode = WAL")
  db.run(readFileSync(join(MIGRATIONS, "0001_queue.sql"), "utf8"))
  db.run("PRAGMA application_id = 0x48595052")
  db.run("PRAGMA user_version = 1")
  db.run("INSERT INTO meta VALUES ('from', 'before')")
  db.close()
  return file
})

const opened = (options: Omit<DatabaseOptions, "create">) =>
  Effect.map(Layer.build(Database.layer({ create: false, ...options })), (built) =>
    Context.get(built, Database),
  )
const versionIn = (file: string): number => {
  const db = new Sqlite(file, { readonly: true })
  const { user_version } = db.query("PRAGMA user_version").get() as { user_version: number }
  db.close()
  return user_version
}
const from = (database: Database["Type"]) =>
  database.read((db) => db.query("SELECT value FROM meta WHERE key = 'from'").get())

describe("a newer binary on an older database", () => {
  it.effect("migrates it when nobody works on it, and keeps what is in it", () =>
    Effect.gen(function* () {
      const file = yield* oldDatabase
      const database = yield* opened({ file })
      expect([database.outdated, versionIn(file)]).toEqual([null, SCHEMA_VERSION])
      expect(yield* from(database)).toEqual({ value: "before" })
    }),
  )

  it.effect("keeps approvals with their numbers, and gives none of them twice", () =>
    Effect.gen(function* () {
      const file = yield* oldDatabase
      const put = (db: Sqlite, id: number | null) =>
        db.run(
          `INSERT INTO approval (id, request_id, decision, approver, digest, presence, attested, created_at)
            VALUES (?, 'R', 'approve', 'ada', 'd', 'tty', 0, 1)`,
          [id],
        )
      const raw = new Sqlite(file)
      put(raw, 7)
      raw.close()
      const database = yield* opened({ file })
      yield* database.write((db) => {
        db.run("DELETE FROM approval")
        put(db, null)
      })
      expect(yield* database.read((db) => db.query("SELECT id, approver FROM approval").all())).toEqual([
        { id: 8, approver: "ada" },
      ])
    }),
  )

  it.effect("leaves it alone under a worker of another version: it can be read, not be written", () =>
    Effect.gen(function* () {
      const file = yield* oldDatabase
      const leave = holdWorkerLock(file, 4_711)
      const database = yield* opened({ file })
      expect([database.outdated, versionIn(file)]).toEqual([1, 1])
      expect(yield* from(database)).toEqual({ value: "before" })
      const error = yield* Effect.flip(database.write((db) => db.run("DELETE FROM meta")))
      expect(error.fault).toBe("outdated")
      expect(error.message).toContain("process 4711")
      expect((yield* Effect.flip(Effect.scoped(database.enter))).fault).toBe("outdated")
      leave()
      expect((yield* opened({ file })).outdated).toBeNull()
      expect(versionIn(file)).toBe(SCHEMA_VERSION)
    }),
  )

  it.effect("only looks when told to", () =>
    Effect.gen(function* () {
      const file = yield* oldDatabase
      const before = readFileSync(file)
      expect((yield* opened({ file, migrate: false })).outdated).toBe(1)
      expect(readFileSync(file)).toEqual(before)
    }),
  )

  it.live("migrates once the other worker was killed: its lock went with it", () =>
    Effect.gen(function* () {
      const file = yield* oldDatabase
      yield* opened({ file })
      const child = Bun.spawn([process.execPath, join(import.meta.dir, "enter-and-wait.ts"), file], {
        stdout: "pipe",
        stderr: "inherit",
      })
      const reader = child.stdout.getReader()
      yield* Effect.promise(() => reader.read())
      expect(liveWorkers(file)).toHaveLength(1)
      const raw = new Sqlite(file)
      raw.run("PRAGMA user_version = 1")
      raw.close()
      expect((yield* opened({ file })).outdated).toBe(1)
      child.kill("SIGKILL")
      yield* Effect.promise(() => child.exited)
      expect(readdirSync(workersFolder(file))).toHaveLength(1)
      expect(liveWorkers(file)).toEqual([])
      expect(readdirSync(workersFolder(file))).toEqual([])
    }),
  )
})

describe("a worker", () => {
  it.effect("does not start on a database that was migrated since it was opened", () =>
    Effect.gen(function* () {
      const file = yield* oldDatabase
      const database = yield* opened({ file })
      const raw = new Sqlite(file)
      raw.run(`PRAGMA user_version = ${SCHEMA_VERSION + 1}`)
      raw.close()
      const error = yield* Effect.flip(Effect.scoped(database.enter))
      expect(error.fault).toBe("too_new")
      expect(yield* database.workers).toEqual([])
    }),
  )

  it.effect("is counted while it works, and leaves nothing", () =>
    Effect.gen(function* () {
      const file = yield* oldDatabase
      const database = yield* opened({ file })
      expect(existsSync(workersFolder(file))).toBe(false)
      yield* Effect.scoped(
        Effect.gen(function* () {
          yield* database.enter
          expect(yield* database.workers).toHaveLength(1)
        }),
      )
      expect(readdirSync(workersFolder(file))).toEqual([])
    }),
  )

  it.effect("that cannot say so is refused, not run unseen", () =>
    Effect.gen(function* () {
      const file = yield* oldDatabase
      const database = yield* opened({ file })
      // Not even root can make a folder where a file is.
      writeFileSync(workersFolder(file), "")
      expect((yield* Effect.flip(Effect.scoped(database.enter))).fault).toBe("read_only")
    }),
  )
})
