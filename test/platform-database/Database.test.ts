import { Database as Sqlite } from "bun:sqlite"
import { describe, expect } from "bun:test"
import { mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import { Database, type DatabaseOptions, SCHEMA_VERSION } from "../../src/platform/Database.ts"
import { it, providing, withLayer } from "../support/effect.ts"
import { tempFolder } from "../support/temp.ts"

const opened = (options: Partial<DatabaseOptions> & { readonly file: string }) =>
  Effect.map(Layer.build(Database.layer({ create: true, busyTimeoutMs: 20, ...options })), (context) =>
    Database.pipe(providing(context)),
  ).pipe(Effect.flatten)

/** The refusal to open, or a defect of the test. */
const refused = (options: Partial<DatabaseOptions> & { readonly file: string }) =>
  Effect.map(Effect.either(opened(options)), (result) => {
    if (Either.isRight(result)) throw new Error("it opened")
    return result.left
  })

const memory = withLayer(Database.layerMemory)

describe("opening", () => {
  it.effect("makes a new file in WAL mode with every setting we rely on", () =>
    Effect.gen(function* () {
      const file = join(yield* tempFolder, "hyperion.db")
      const database = yield* opened({ file, busyTimeoutMs: 5_000 })
      const pragma = (name: string) =>
        database.read((db) => Object.values(db.query(`PRAGMA ${name}`).get() as object)[0])
      expect(yield* pragma("journal_mode")).toBe("wal")
      expect(yield* pragma("busy_timeout")).toBe(5_000)
      expect(yield* pragma("synchronous")).toBe(1)
      expect(yield* pragma("foreign_keys")).toBe(1)
      expect(yield* pragma("trusted_schema")).toBe(0)
      expect(yield* pragma("wal_autocheckpoint")).toBe(1_000)
      expect(yield* pragma("journal_size_limit")).toBe(16 * 1024 * 1024)
      expect(yield* pragma("user_version")).toBe(SCHEMA_VERSION)
    }),
  )

  it.effect("opens a file it made, with what was in it", () =>
    Effect.gen(function* () {
      const file = join(yield* tempFolder, "hyperion.db")
      yield* Effect.scoped(
        Effect.flatMap(opened({ file }), (database) =>
          database.write((db) => db.run("INSERT INTO meta VALUES ('key', 'value')")),
        ),
      )
      const again = yield* opened({ file, create: false })
      expect(yield* again.read((db) => db.query("SELECT value FROM meta").get())).toEqual({ value: "value" })
    }),
  )

  it.effect("--durable full survives power loss at every commit", () =>
    Effect.gen(function* () {
      const database = yield* opened({ file: join(yield* tempFolder, "hyperion.db"), durable: true })
      expect(yield* database.read((db) => db.query("PRAGMA synchronous").get())).toEqual({ synchronous: 2 })
      yield* database.write(() => undefined, { durable: true })
      expect(yield* database.read((db) => db.query("PRAGMA synchronous").get())).toEqual({ synchronous: 2 })
    }),
  )

  it.effect("names a missing file and does not make it", () =>
    Effect.gen(function* () {
      const file = join(yield* tempFolder, "hyperion.db")
      const error = yield* refused({ file, create: false })
      expect(error.fault).toBe("missing")
      expect(error.message).toBe(`there is no queue database here: ${file}`)
      expect((yield* refused({ file, create: false })).fault).toBe("missing")
    }),
  )

  it.effect("names a missing folder", () =>
    Effect.gen(function* () {
      const file = join(yield* tempFolder, "absent", "hyperion.db")
      expect(yield* refused({ file })).toMatchObject({ fault: "missing", file })
    }),
  )

  it.effect("a path that cannot be written is said to be so", () =>
    Effect.gen(function* () {
      const file = join(yield* tempFolder, "hyperion.db")
      mkdirSync(file)
      const error = yield* refused({ file })
      expect(error.fault).toBe("read_only")
      expect(error.message).toStartWith(`the queue database cannot be written: ${file} (`)
    }),
  )

  it.effect("a file that is no database is damaged", () =>
    Effect.gen(function* () {
      const file = join(yield* tempFolder, "hyperion.db")
      writeFileSync(file, "this was never a database\n".repeat(100))
      const error = yield* refused({ file })
      expect(error.fault).toBe("corrupt")
      expect(error.message).toStartWith(`the queue database is damaged: ${file} (`)
    }),
  )

  it.effect("a damaged page is found when it is read", () =>
    Effect.gen(function* () {
      const file = join(yield* tempFolder, "hyperion.db")
      yield* Effect.scoped(
        Effect.flatMap(opened({ file }), (database) =>
          database.write((db) => db.run("INSERT INTO meta VALUES ('key', ?)", ["x".repeat(9_000)])),
        ),
      )
      const bytes = new Uint8Array(yield* Effect.promise(() => Bun.file(file).arrayBuffer()))
      // Everything after the first page, which holds the schema.
      bytes.fill(0xff, 4_096)
      writeFileSync(file, bytes)
      const result = yield* Effect.either(
        Effect.flatMap(opened({ file }), (database) =>
          database.read((db) => db.query("SELECT * FROM meta").all()),
        ),
      )
      expect(Either.isLeft(result) && result.left.fault).toBe("corrupt")
    }),
  )

  it.effect("another program's SQLite file is left alone", () =>
    Effect.gen(function* () {
      const file = join(yield* tempFolder, "other.db")
      const other = new Sqlite(file, { create: true })
      other.run("CREATE TABLE bookmarks (url TEXT)")
      other.close()
      const before = yield* Effect.promise(() => Bun.file(file).bytes())
      const error = yield* refused({ file })
      expect(error.fault).toBe("foreign")
      expect(error.message).toStartWith(`this SQLite file is not a Hyperion queue: ${file} (`)
      expect(yield* Effect.promise(() => Bun.file(file).bytes())).toEqual(before)
    }),
  )

  it.effect("a newer schema is refused, not rewritten", () =>
    Effect.gen(function* () {
      const file = join(yield* tempFolder, "hyperion.db")
      yield* Effect.scoped(opened({ file }))
      const newer = new Sqlite(file)
      newer.run(`PRAGMA user_version = ${SCHEMA_VERSION + 1}`)
      newer.close()
      const error = yield* refused({ file })
      expect(error.fault).toBe("too_new")
      expect(error.message).toContain(`schema ${SCHEMA_VERSION + 1}, this binary knows ${SCHEMA_VERSION}`)
    }),
  )

  it.live(
    "many processes make the same new file at the same time",
    () =>
      Effect.gen(function* () {
        const folder = yield* tempFolder
        const script = join(import.meta.dir, "open-at.ts")
        for (let round = 0; round < 4; round++) {
          const at = (yield* Clock.currentTimeMillis) + 250
          const children = Array.from({ length: 4 }, () =>
            Bun.spawn([process.execPath, script, join(folder, `${round}.db`), String(at)], {
              stdout: "pipe",
              stderr: "inherit",
            }),
          )
          for (const child of children) {
            expect(yield* Effect.promise(() => new Response(child.stdout).text())).toBe("opened\n")
          }
        }
      }),
    30_000,
  )
})

describe("writing", () => {
  memory.effect("stores nothing of a transaction whose body throws, and goes on", () =>
    Effect.gen(function* () {
      const database = yield* Database
      const exit = yield* Effect.exit(
        database.write((db) => {
          db.run("INSERT INTO meta VALUES ('key', 'value')")
          throw new Error("injected")
        }),
      )
      expect(Exit.isFailure(exit) && String(exit.cause)).toContain("injected")
      expect(yield* database.read((db) => db.query("SELECT * FROM meta").all())).toEqual([])
      yield* database.write((db) => db.run("INSERT INTO meta VALUES ('key', 'value')"))
      expect(yield* database.read((db) => db.query("SELECT count(*) AS n FROM meta").get())).toEqual({ n: 1 })
    }),
  )

  memory.effect("a refused statement is a typed error and rolls back", () =>
    Effect.gen(function* () {
      const database = yield* Database
      const error = yield* Effect.flip(
        database.write((db) => {
          db.run("INSERT INTO meta VALUES ('key', 'value')")
          db.run("INSERT INTO meta VALUES ('key', 'value')")
        }),
      )
      expect(error.fault).toBe("other")
      expect(error.message).toStartWith("the queue database refused a statement: :memory: (")
      expect(yield* database.read((db) => db.query("SELECT * FROM meta").all())).toEqual([])
    }),
  )

  memory.effect("a full disk is told apart, and what was stored before stays", () =>
    Effect.gen(function* () {
      const database = yield* Database
      yield* database.write((db) => db.run("INSERT INTO meta VALUES ('first', 'value')"))
      yield* database.read((db) => {
        const { page_count } = db.query("PRAGMA page_count").get() as { page_count: number }
        db.query(`PRAGMA max_page_count = ${page_count}`).get()
      })
      const error = yield* Effect.flip(
        database.write((db) => db.run("INSERT INTO meta VALUES ('big', ?)", ["x".repeat(100_000)])),
      )
      expect(error.fault).toBe("full")
      expect(error.message).toStartWith("the disk is full: ")
      expect(yield* database.read((db) => db.query("SELECT key FROM meta").all())).toEqual([{ key: "first" }])
    }),
  )

  memory.effect("a read-only database is told apart", () =>
    Effect.gen(function* () {
      const database = yield* Database
      yield* database.read((db) => db.run("PRAGMA query_only = ON"))
      const error = yield* Effect.flip(
        database.write((db) => db.run("INSERT INTO meta VALUES ('key', 'value')")),
      )
      expect(error.fault).toBe("read_only")
    }),
  )

  it.effect("a lock held longer than the busy timeout is `busy`; released, the next write goes through", () =>
    Effect.gen(function* () {
      const file = join(yield* tempFolder, "hyperion.db")
      const database = yield* opened({ file })
      const other = new Sqlite(file)
      other.run("BEGIN IMMEDIATE")
      const error = yield* Effect.flip(database.write((db) => db.run("INSERT INTO meta VALUES ('a', 'b')")))
      expect(error.fault).toBe("busy")
      expect(error.message).toStartWith(`the queue database is locked by another process: ${file} (`)
      // Readers are not stopped by a writer.
      expect(yield* database.read((db) => db.query("SELECT * FROM meta").all())).toEqual([])
      other.run("ROLLBACK")
      yield* database.write((db) => db.run("INSERT INTO meta VALUES ('a', 'b')"))
      other.close()
    }),
  )

  it.effect("a durable write is FULL for itself only", () =>
    Effect.gen(function* () {
      const database = yield* opened({ file: join(yield* tempFolder, "hyperion.db") })
      const synchronous = (db: Sqlite) => db.query("PRAGMA synchronous").get()
      expect(yield* database.write(synchronous, { durable: true })).toEqual({ synchronous: 2 })
      expect(yield* database.write(synchronous)).toEqual({ synchronous: 1 })
      yield* Effect.exit(
        database.write(
          () => {
            throw new Error("injected")
          },
          { durable: true },
        ),
      )
      expect(yield* database.write(synchronous)).toEqual({ synchronous: 1 })
    }),
  )

  memory.effect("keeps more statements compiled than the queue has", () =>
    Effect.gen(function* () {
      const database = yield* Database
      const statements = Array.from({ length: 120 }, (_, n) => `SELECT ${n} AS n FROM meta`)
      yield* database.read((db) => {
        const first = statements.map((sql) => db.query(sql))
        expect(statements.every((sql, index) => db.query(sql) === first[index])).toBe(true)
      })
    }),
  )
})
