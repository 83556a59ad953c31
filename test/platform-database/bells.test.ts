import { describe, expect } from "bun:test"
import {
  closeSync,
  constants,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from "node:fs"
import { createServer } from "node:net"
import { join } from "node:path"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as TestClock from "effect/TestClock"
import { bellsFolder, clearBells, inspectBells } from "../../src/platform/bells.ts"
import { Database } from "../../src/platform/Database.ts"
import { makeNamedPipe } from "../../src/platform/named-pipe.ts"
import { it } from "../support/effect.ts"
import { tempFolder } from "../support/temp.ts"

const HOUR = 3_600_000

const openedAt = (file: string) =>
  Effect.map(Layer.build(Database.layer({ file, create: true })), (built) => Context.get(built, Database))

/** A connection of its own, as another process has it. */
const opened = Effect.gen(function* () {
  const file = join(yield* tempFolder, "hyperion.db")
  return { file, folder: bellsFolder(file), database: yield* openedAt(file) }
})

let keys = 0
const commit = (database: Database["Type"]) =>
  database.write((db) => db.run(`INSERT INTO meta VALUES ('key-${keys++}', 'x')`))

/** A process that listens; `said` gives its next line. */
const listener = (file: string) =>
  Effect.gen(function* () {
    const child = yield* Effect.acquireRelease(
      Effect.sync(() =>
        Bun.spawn([process.execPath, join(import.meta.dir, "listen-and-say.ts"), file], {
          stdout: "pipe",
          stderr: "inherit",
        }),
      ),
      (running) =>
        Effect.promise(() => {
          running.kill("SIGKILL")
          return running.exited
        }),
    )
    const reader = child.stdout.getReader()
    const said = Effect.promise(async () => new TextDecoder().decode((await reader.read()).value))
    expect(yield* said).toBe("listening true\n")
    return { child, said }
  })

const killed = (child: Bun.Subprocess) =>
  Effect.promise(() => {
    child.kill("SIGKILL")
    return child.exited
  })

describe("a commit", () => {
  it.live("is heard by every other process that listens, with what it stored", () =>
    Effect.gen(function* () {
      const { file, database } = yield* opened
      const [first, second] = [yield* listener(file), yield* listener(file)]
      yield* commit(database)
      expect([yield* first.said, yield* second.said]).toEqual(['{"rows":1}\n', '{"rows":1}\n'])
      yield* commit(database)
      expect([yield* first.said, yield* second.said]).toEqual(['{"rows":2}\n', '{"rows":2}\n'])
    }),
  )

  it.live("of this process or another connection ends a wait, also one that begins after it", () =>
    Effect.gen(function* () {
      const { file, database } = yield* opened
      const other = yield* openedAt(file)
      const bell = yield* database.listen
      for (const writer of [database, other]) {
        const waiting = yield* Effect.fork(bell.wait(HOUR))
        yield* commit(writer)
        yield* Fiber.join(waiting)
        yield* commit(database)
        yield* bell.wait(HOUR)
      }
    }),
  )

  it.effect("that was heard once is not heard again", () =>
    Effect.gen(function* () {
      const { database } = yield* opened
      const bell = yield* database.listen
      yield* commit(database)
      yield* bell.wait(HOUR)
      const waiting = yield* Effect.fork(bell.wait(250))
      yield* TestClock.adjust(249)
      expect(waiting.unsafePoll()).toBeNull()
      yield* TestClock.adjust(1)
      yield* Fiber.join(waiting)
    }),
  )

  it.effect("that is rolled back rings nobody", () =>
    Effect.gen(function* () {
      const { file, folder, database } = yield* opened
      mkdirSync(folder)
      makeNamedPipe(join(folder, "1.0"), 0o600)
      const refusal = database.write((db) => db.run("INSERT INTO meta VALUES (NULL, NULL)"))
      expect((yield* Effect.flip(refusal)).fault).toBe("other")
      // Nobody listens: ringing it would have cleared it away.
      expect(inspectBells(file).stale).toEqual(["1.0"])
    }),
  )

  it.live("with nobody there to hear it succeeds and leaves nothing", () =>
    Effect.gen(function* () {
      const { folder, database } = yield* opened
      yield* commit(database)
      expect(existsSync(folder)).toBe(false)
      yield* Effect.scoped(
        Effect.gen(function* () {
          yield* database.listen
          yield* database.listen
          // One pipe for the whole process, closed to others.
          expect(readdirSync(folder)).toHaveLength(1)
          expect(statSync(folder).mode & 0o777).toBe(0o700)
          expect(statSync(join(folder, readdirSync(folder)[0]!)).mode & 0o777).toBe(0o600)
        }),
      )
      expect(existsSync(folder)).toBe(false)
    }),
  )

  it.live("under a path longer than a socket's name may be is heard as well", () =>
    Effect.gen(function* () {
      const folder = join(yield* tempFolder, "d".repeat(120), "d".repeat(120))
      mkdirSync(folder, { recursive: true })
      const file = join(folder, "hyperion.db")
      const database = yield* openedAt(file)
      const { said } = yield* listener(file)
      yield* commit(database)
      expect(yield* said).toBe('{"rows":1}\n')
    }),
  )
})

describe("what lies in the way of a bell", () => {
  it.live("a pipe that the dead left is cleared away by the next commit, or by doctor", () =>
    Effect.gen(function* () {
      const { file, folder, database } = yield* opened
      const [first, second] = [yield* listener(file), yield* listener(file)]
      yield* killed(first.child)
      expect(inspectBells(file)).toMatchObject({ live: [expect.anything()], stale: [expect.anything()] })
      yield* commit(database)
      expect(yield* second.said).toBe('{"rows":1}\n')
      expect(inspectBells(file)).toMatchObject({ live: [expect.anything()], stale: [] })
      yield* killed(second.child)
      expect(clearBells(file)).toHaveLength(1)
      expect(readdirSync(folder)).toEqual([])
    }),
  )

  it.live("foreign files are neither written to nor removed, and no commit fails", () =>
    Effect.gen(function* () {
      const { file, folder, database } = yield* opened
      mkdirSync(folder)
      writeFileSync(join(folder, "1.0"), "mine")
      mkdirSync(join(folder, "2.0"))
      writeFileSync(join(folder, "target"), "mine too")
      symlinkSync("target", join(folder, "3.0"))
      symlinkSync("nowhere", join(folder, "4.0"))
      const server = createServer().listen(join(folder, "5.0"))
      yield* Effect.addFinalizer(() => Effect.sync(() => server.close()))
      yield* Effect.promise(() => new Promise((resolve) => server.once("listening", resolve)))
      yield* commit(database)
      expect(readFileSync(join(folder, "1.0"), "utf8")).toBe("mine")
      expect(readFileSync(join(folder, "target"), "utf8")).toBe("mine too")
      const names = ["1.0", "2.0", "3.0", "4.0", "5.0", "target"]
      expect(readdirSync(folder).sort()).toEqual(names)
      const { live, stale, foreign } = inspectBells(file)
      expect([live, stale, [...foreign].sort()]).toEqual([[], [], names])
      expect(clearBells(file)).toEqual([])
    }),
  )

  it.effect("where none can hang a wait is a pause, and commits go on", () =>
    Effect.gen(function* () {
      const { file, folder, database } = yield* opened
      writeFileSync(folder, "mine")
      const other = yield* openedAt(file)
      const bell = yield* other.listen
      expect(bell.hears).toBe(false)
      const waiting = yield* Effect.fork(bell.wait(3))
      yield* commit(database)
      yield* TestClock.adjust(2)
      expect(waiting.unsafePoll()).toBeNull()
      yield* TestClock.adjust(1)
      yield* Fiber.join(waiting)
      expect(readFileSync(folder, "utf8")).toBe("mine")
      expect(inspectBells(file).unreadable).toBe("ENOTDIR")
    }),
  )

  it.live("a process that no longer reads holds nobody up", () =>
    Effect.gen(function* () {
      const { file, folder, database } = yield* opened
      mkdirSync(folder)
      makeNamedPipe(join(folder, "1.0"), 0o600)
      const pipe = openSync(join(folder, "1.0"), constants.O_RDWR | constants.O_NONBLOCK)
      // It takes no more.
      expect(() => {
        for (;;) writeSync(pipe, Buffer.alloc(4_096))
      }).toThrow("EAGAIN")
      yield* commit(database)
      expect(inspectBells(file).live).toEqual(["1.0"])
      closeSync(pipe)
    }),
  )
})
