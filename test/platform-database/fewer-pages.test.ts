import { Database as Sqlite } from "bun:sqlite"
import { describe, expect } from "bun:test"
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as TestClock from "effect/TestClock"
import { AuditService } from "../../src/audit/AuditService.ts"
import { Database } from "../../src/platform/Database.ts"
import { QueueService } from "../../src/queue/QueueService.ts"
import { resolveId } from "../../src/queue/read.ts"
import { it, providing, START } from "../support/effect.ts"
import {
  anItem,
  aWithdrawal,
  DAY,
  ENQUEUE,
  enqueued,
  entry,
  landed,
  leased,
  queueInFile,
  settled,
} from "../support/queue.ts"
import { tempFolder } from "../support/temp.ts"

const MIGRATIONS = join(import.meta.dir, "../../src/platform/migrations")
const TABLES = [
  "entry",
  "entry_payload",
  "entry_dependency",
  "agent_clock",
  "audit",
  "verification",
  "approval",
  "receipt",
  "dead_letter",
  "meta",
]

/** Fills the queue with an entry in every state, and many that wait. */
const fill = Effect.gen(function* () {
  const queue = yield* QueueService
  yield* landed({ taskId: "landed" })
  for (const to of ["conflict", "failed", "awaiting_approval", "verified", "committing"] as const) {
    yield* enqueued({ taskId: to })
    yield* settled(yield* leased(), to)
  }
  const later = yield* enqueued({ taskId: "later" })
  yield* settled(yield* leased(), "scheduled", { runAt: START + DAY })
  const away = yield* enqueued({ taskId: "away" })
  yield* queue.withdraw(away, aWithdrawal())
  yield* enqueued({ taskId: "working" })
  yield* leased("worker-9")
  yield* queue.enqueue(
    Array.from({ length: 300 }, (_, n) => anItem({ taskId: `task-${n}`, requestId: "many" })),
    ENQUEUE,
  )
  yield* enqueued({ taskId: "after", dependsOn: ["task-1"] })
  yield* enqueued({ taskId: "short", ttlSeconds: 3_600 })
  return later
})

/** The queue's rows, in a database as schema 4 was: its tables, its indexes, its triggers. */
const olderDatabase = Effect.gen(function* () {
  const folder = yield* tempFolder
  const file = join(folder, "older.db")
  const older = new Sqlite(file, { create: true })
  older.run("PRAGMA journal_mode = WAL")
  for (const name of readdirSync(MIGRATIONS).sort().slice(0, 4))
    older.run(readFileSync(join(MIGRATIONS, name), "utf8"))
  older.run("PRAGMA application_id = 0x48595052")
  older.run("PRAGMA user_version = 4")
  yield* Effect.scoped(
    Effect.gen(function* () {
      const built = yield* Layer.build(queueInFile)
      yield* providing(fill, built)
      const { file: newer } = Context.get(built, Database)
      older.run(`ATTACH '${newer}' AS newer`)
      for (const [table, columns] of columnsOf(older))
        older.run(`INSERT INTO main.${table} SELECT ${columns} FROM newer.${table} ORDER BY 1`)
      older.run("DETACH newer")
    }),
  )
  older.close()
  return file
})

/** The columns that a table has, as SQL. */
const columnsOf = (db: Sqlite) =>
  TABLES.map((table) => {
    const info = db.query<{ name: string }, [string]>("SELECT name FROM pragma_table_info(?)").all(table)
    return [table, info.map(({ name }) => name).join(", ")] as const
  })
const rowsOf = (db: Sqlite, columns: ReturnType<typeof columnsOf>) =>
  Object.fromEntries(
    columns.map(([table, names]) => [table, db.query(`SELECT ${names} FROM ${table} ORDER BY 1, 2`).all()]),
  )

describe("a queue of schema 4", () => {
  it.effect("keeps every row, is whole, and goes on", () =>
    Effect.gen(function* () {
      const file = yield* olderDatabase
      const older = new Sqlite(file)
      const columns = columnsOf(older)
      const before = rowsOf(older, columns)
      expect(new Set(before["entry"]!.map((row) => (row as { state: string }).state)).size).toBe(10)
      const { cast_id } = before["entry"]![4] as { cast_id: string }
      older.close()

      const stages = Layer.merge(QueueService.layer, AuditService.layer)
      const built = yield* Layer.build(Layer.provideMerge(stages, Database.layer({ file, create: false })))
      yield* Effect.gen(function* () {
        const queue = yield* QueueService
        const audit = yield* AuditService
        yield* queue.read((db) => {
          expect(rowsOf(db, columns)).toEqual(before)
          expect(db.query("PRAGMA integrity_check").all()).toEqual([{ integrity_check: "ok" }])
          expect(db.query("PRAGMA foreign_key_check").all()).toEqual([])
          expect(db.query("PRAGMA foreign_keys").get()).toEqual({ foreign_keys: 1 })
        })
        const ofRequest = yield* queue.read((db) => resolveId(db, "many"))
        expect(ofRequest).toHaveLength(300)
        expect(yield* queue.read((db) => resolveId(db, cast_id))).toEqual([5])

        const lease = yield* leased()
        expect(lease.entry.id).toBe(ofRequest[0]!)
        yield* settled(lease, "committing")
        yield* settled(lease, "applied")
        yield* enqueued({ taskId: "new" })
        expect((yield* audit.verify()).fault).toBeNull()

        // An hour later, what had a short time to live is over; the lease of the dead worker as well.
        yield* TestClock.adjust("2 hours")
        while (yield* queue.maintain());
        const [short] = yield* queue.read((db) => resolveId(db, "short"))
        expect((yield* entry(short!)).reason_code).toBe("ttl_expired")
        expect((yield* queue.counts()).in_progress).toBe(0)
        yield* TestClock.adjust(8 * DAY)
        while (yield* queue.maintain());
        // Landings that were begun stay; the rest is over.
        expect(yield* queue.counts()).toMatchObject({ committing: 1, pending: 0, verified: 0, scheduled: 0 })
      }).pipe(providing(built))
    }),
  )
})
