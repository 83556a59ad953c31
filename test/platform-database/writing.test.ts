import { describe, expect } from "bun:test"
import { existsSync, readFileSync, statSync, symlinkSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Database, type DatabaseOptions } from "../../src/platform/Database.ts"
import { openTurnstile, turnstileFile } from "../../src/platform/turnstile.ts"
import { it } from "../support/effect.ts"
import { tempFolder } from "../support/temp.ts"

const openedAt = (options: Omit<DatabaseOptions, "create">) =>
  Effect.map(Layer.build(Database.layer({ create: true, ...options })), (built) =>
    Context.get(built, Database),
  )
const opened = (options: Partial<DatabaseOptions> = {}) =>
  Effect.gen(function* () {
    const file = join(yield* tempFolder, "hyperion.db")
    const database = yield* openedAt({ file, ...options })
    return { file, database }
  })
type Db = Parameters<Parameters<Database["Type"]["read"]>[0]>[0]

const COUNT = "INSERT INTO meta VALUES ('count', 0)"
const counted = (database: Database["Type"]) =>
  database.read((db) => db.query<{ n: number }, []>("SELECT CAST(value AS INTEGER) AS n FROM meta").get()?.n)
const increment = (db: Db) => db.run("UPDATE meta SET value = value + 1 WHERE key = 'count'")

const spawned = (file: string, ...how: readonly string[]) =>
  Bun.spawn([process.execPath, join(import.meta.dir, "writing-process.ts"), file, ...how], {
    stdout: "pipe",
    stderr: "pipe",
  })

const never = () => {
  throw new Error("nobody may be asked")
}

describe("the turnstile", () => {
  it.live("is whole and ours alone, and made by the first who writes", () =>
    Effect.gen(function* () {
      const { file, database } = yield* opened()
      expect(existsSync(turnstileFile(file))).toBe(false)
      yield* database.write((db) => db.run(COUNT))
      expect(statSync(turnstileFile(file))).toMatchObject({ size: 64 })
      expect(statSync(turnstileFile(file)).mode & 0o777).toBe(0o600)
    }),
  )

  it.live("gives turns in the order of asking", () =>
    Effect.gen(function* () {
      const { file } = yield* opened()
      const [first, second] = [openTurnstile(file), openTurnstile(file)]
      expect(first.enter(0, never)).toBe("turn")
      // Not yet: it gives up, and keeps its number.
      expect(second.enter(1, never)).toBe("late")
      first.leave()
      expect(first.enter(1, never)).toBe("late")
      second.leave()
      first.leave()
      expect(second.enter(0, never)).toBe("turn")
      second.leave()
    }),
  )

  it.live("goes on without one that died in it, by asking the database", () =>
    Effect.gen(function* () {
      const { file } = yield* opened()
      const [dead, next, last] = [openTurnstile(file), openTurnstile(file), openTurnstile(file)]
      expect(dead.enter(0, never)).toBe("turn")
      const answers = [false, true]
      expect(next.enter(10_000, () => answers.shift()!)).toBe("taken")
      expect(answers).toEqual([])
      next.leave()
      expect(last.enter(0, never)).toBe("turn")
      last.leave()
      // The dead one was only slow: it moves nobody back.
      dead.leave()
      expect(next.enter(0, never)).toBe("turn")
      next.leave()
    }),
  )

  it.live("a writer that is killed in its turn is not waited for", () =>
    Effect.gen(function* () {
      const { file, database } = yield* opened()
      yield* database.write((db) => db.run(COUNT))
      const holder = spawned(file, "hold")
      yield* Effect.promise(() => holder.stdout.getReader().read())
      const others = [1, 2, 3].map(() => spawned(file, "count", "20"))
      holder.kill("SIGKILL")
      const ends = yield* Effect.promise(() => Promise.all(others.map(({ exited }) => exited)))
      expect(ends).toEqual([0, 0, 0])
      expect(yield* counted(database)).toBe(60)
    }),
  )

  it.live("a foreign file or link in its place is left alone, and writes go on", () =>
    Effect.gen(function* () {
      for (const spoil of [
        (file: string) => writeFileSync(file, "mine"),
        (file: string) => writeFileSync(file, "x".repeat(64)),
        (file: string) => symlinkSync("/nowhere", file),
      ]) {
        const { file, database } = yield* opened()
        spoil(turnstileFile(file))
        const before = existsSync(turnstileFile(file)) ? readFileSync(turnstileFile(file), "utf8") : null
        yield* database.write((db) => db.run(COUNT))
        expect(existsSync(turnstileFile(file)) ? readFileSync(turnstileFile(file), "utf8") : null).toBe(
          before,
        )
        expect(openTurnstile(file).enter(0, never)).toBe("turn")
        expect(openTurnstile(file).enter(0, never)).toBe("turn")
      }
    }),
  )
})

describe("fibers that want to write durably at the same time", () => {
  it.live("share one commit, and each gets its own answer", () =>
    Effect.gen(function* () {
      const { database, file } = yield* opened({ durable: true })
      yield* database.write((db) => db.run(COUNT))
      const watching = yield* openedAt({ file })
      const version = watching.read((db) => db.query("PRAGMA data_version").get())
      const seen = new Set<string>()
      const answers = yield* Effect.all(
        Array.from({ length: 16 }, (_, number) =>
          Effect.gen(function* () {
            const value = yield* database.write((db) => {
              increment(db)
              return number
            })
            seen.add(`${yield* counted(watching)} ${JSON.stringify(yield* version)}`)
            return value
          }),
        ),
        { concurrency: "unbounded" },
      )
      expect(answers).toEqual(Array.from({ length: 16 }, (_, number) => number))
      // Nobody saw a state between none of them and all of them.
      expect(seen.size).toBe(1)
      expect(yield* counted(database)).toBe(16)
    }),
  )

  it.live("the failure of one is its own: its writes are gone, the others' are stored", () =>
    Effect.gen(function* () {
      const { database } = yield* opened()
      yield* database.write((db) => db.run(COUNT))
      const results = yield* Effect.forEach(
        [0, 1, 2, 3],
        (number) =>
          Effect.either(
            database.write(
              (db) => {
                increment(db)
                if (number === 2) db.run("INSERT INTO meta VALUES (NULL, NULL)")
                return number
              },
              { durable: true },
            ),
          ),
        { concurrency: "unbounded" },
      )
      expect(results.map((result) => (result._tag === "Right" ? result.right : result.left.fault))).toEqual([
        0,
        1,
        "other",
        3,
      ])
      expect(yield* counted(database)).toBe(3)
    }),
  )

  it.live("a commit that fails is told to all of them", () =>
    Effect.gen(function* () {
      const { database } = yield* opened()
      yield* database.write((db) => {
        db.run(COUNT)
        db.run("CREATE TABLE parent (id INTEGER PRIMARY KEY)")
        db.run("CREATE TABLE child (parent INTEGER REFERENCES parent DEFERRABLE INITIALLY DEFERRED)")
      })
      const results = yield* Effect.forEach(
        [0, 1],
        (number) =>
          Effect.either(
            database.write(
              (db) => {
                increment(db)
                // Found by the commit only.
                if (number === 1) db.run("INSERT INTO child VALUES (7)")
              },
              { durable: true },
            ),
          ),
        { concurrency: "unbounded" },
      )
      expect(results.map(({ _tag }) => _tag)).toEqual(["Left", "Left"])
      expect(yield* counted(database)).toBe(0)
      yield* database.write(increment, { durable: true })
      expect(yield* counted(database)).toBe(1)
    }),
  )

  it("can be run without a scheduler", () => {
    const count = Effect.scoped(
      Effect.gen(function* () {
        const { database } = yield* opened()
        yield* database.write((db) => db.run(COUNT), { durable: true })
        return yield* counted(database)
      }),
    )
    expect(Effect.runSync(count)).toBe(0)
  })
})
