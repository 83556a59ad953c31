// @effect-diagnostics strictEffectProvide:off -- one test writes through a second connection, as another process does
import { describe, expect } from "bun:test"
import { join } from "node:path"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as TestClock from "effect/TestClock"
import { type EventOptions, type EventView, streamEvents } from "../../src/operations/events.ts"
import { Database } from "../../src/platform/Database.ts"
import { QueueService } from "../../src/queue/QueueService.ts"
import { providing, withLayer } from "../support/effect.ts"
import { enqueued, landed, queueInMemory } from "../support/queue.ts"
import { tempFolder } from "../support/temp.ts"

const it = withLayer(queueInMemory)

const collect = (options: Partial<EventOptions>, into: EventView[] = []) =>
  Effect.as(
    streamEvents({ after: undefined, follow: false, limit: undefined, ...options }, (event) =>
      Effect.sync(() => void into.push(event)),
    ),
    into,
  )

describe("events", () => {
  it.effect("gives the log from the first row, from behind a row, and up to a number of rows", () =>
    Effect.gen(function* () {
      const id = yield* landed()
      const all = yield* collect({})
      expect(all.map(({ event }) => event)).toEqual([
        "enqueued",
        "leased",
        "verified",
        "committing",
        "applied",
      ])
      expect(all[0]).toMatchObject({
        seq: 1,
        entry_id: id,
        actor: "operator",
        data: { task_id: "greeting-1" },
      })
      expect(all[0]!.hash).toMatch(/^[0-9a-f]{64}$/)
      expect((yield* collect({ after: 3 })).map(({ seq }) => seq)).toEqual([4, 5])
      expect((yield* collect({ limit: 2 })).map(({ seq }) => seq)).toEqual([1, 2])
      expect(yield* collect({ after: 99 })).toEqual([])
    }),
  )

  it.effect("more rows than one read takes come all, once and in order", () =>
    Effect.gen(function* () {
      for (let n = 0; n < 1_101; n++) yield* enqueued({ taskId: `task-${n}` })
      expect((yield* collect({})).map(({ seq }) => seq)).toEqual(
        Array.from({ length: 1_101 }, (_, n) => n + 1),
      )
    }),
  )

  it.effect("a row that is no JSON is given as it stands", () =>
    Effect.gen(function* () {
      yield* enqueued()
      const database = yield* Database
      yield* database.write((db) => {
        db.run("DROP TRIGGER audit_is_append_only_update")
        db.run("UPDATE audit SET data = '{'")
      })
      expect((yield* collect({}))[0]!.data).toBe("{")
    }),
  )

  it.effect("followed: what comes next, and nothing twice", () =>
    Effect.gen(function* () {
      yield* enqueued({ taskId: "before" })
      const seen: EventView[] = []
      const fiber = yield* Effect.fork(collect({ follow: true, limit: 2 }, seen))
      yield* TestClock.adjust(5_000)
      expect(seen).toEqual([])
      yield* enqueued({ taskId: "one" })
      yield* TestClock.adjust(100)
      expect(seen.map(({ seq }) => seq)).toEqual([2])
      yield* enqueued({ taskId: "two" })
      yield* TestClock.adjust(3)
      yield* Fiber.join(fiber)
      expect(seen.map(({ seq }) => seq)).toEqual([2, 3])
    }),
  )
})

const twoProcesses = Layer.unwrapScoped(
  Effect.map(tempFolder, (folder) => {
    const file = join(folder, "hyperion.db")
    return Layer.provideMerge(QueueService.layer, Database.layer({ file, create: true }))
  }),
)

describe("across processes", () => {
  withLayer(twoProcesses).live("what another connection commits is seen, and no read is held open", () =>
    Effect.gen(function* () {
      const { file } = yield* Database
      const seen: EventView[] = []
      const fiber = yield* Effect.fork(collect({ follow: true, after: 0, limit: 50 }, seen))
      yield* Effect.yieldNow()
      const other = Layer.provideMerge(
        QueueService.layer,
        Layer.fresh(Database.layer({ file, create: false })),
      )
      yield* Effect.gen(function* () {
        const at = yield* Clock.currentTimeMillis
        for (let n = 0; n < 50; n++) yield* enqueued({ taskId: `task-${n}`, at })
      }).pipe(providing(other))
      yield* Fiber.join(fiber)
      expect(seen).toHaveLength(50)
      const busy = yield* Effect.flatMap(Database, (database) =>
        database.read((db) => {
          const checkpoint = db.prepare<{ busy: number }, []>("PRAGMA wal_checkpoint(TRUNCATE)")
          const row = checkpoint.get()
          checkpoint.finalize()
          return row?.busy
        }),
      )
      expect(busy).toBe(0)
    }),
  )
})
