import { Database as Sqlite } from "bun:sqlite"
import { describe, expect } from "bun:test"
import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { AuditService } from "../../src/audit/AuditService.ts"
import { backup } from "../../src/operations/backup.ts"
import { Database } from "../../src/platform/Database.ts"
import { QueueService } from "../../src/queue/QueueService.ts"
import { withLayer } from "../support/effect.ts"
import { enqueued, landed, leased, queueInFile } from "../support/queue.ts"

const it = withLayer(queueInFile)

const place = Effect.map(Database, ({ file }) => join(dirname(file), "copy.db"))

/** The queue that a copy holds, opened as its own. */
const restored = (file: string) =>
  Effect.map(
    Layer.build(
      Layer.provideMerge(
        Layer.merge(QueueService.layer, AuditService.layer),
        Database.layer({ file, create: false }),
      ),
    ),
    (built) => ({ queue: Context.get(built, QueueService), audit: Context.get(built, AuditService) }),
  )

describe("backup", () => {
  it.effect("is the queue as it was at that moment, and works as one", () =>
    Effect.gen(function* () {
      const queue = yield* QueueService
      yield* landed({ taskId: "landed" })
      yield* enqueued({ taskId: "waiting" })
      const head = yield* queue.head()
      const file = yield* place
      expect(yield* backup(file)).toMatchObject({ file, seq: head.seq, head: head.hash })
      expect(statSync(file).mode & 0o777).toBe(0o600)
      // What happens afterwards is not in it.
      yield* enqueued({ taskId: "later" })

      const copy = yield* restored(file)
      expect(yield* copy.queue.counts()).toEqual(head.counts)
      expect((yield* copy.audit.verify(head.hash)).fault).toBeNull()
      expect(yield* copy.queue.lease("worker-1", 1_000, 5)).toHaveLength(1)
    }),
  )

  it.effect("takes the place of no other file, and leaves nothing of itself then", () =>
    Effect.gen(function* () {
      const file = yield* place
      writeFileSync(file, "precious")
      const error = yield* Effect.flip(backup(file))
      expect(error).toMatchObject({ _tag: "StoreFailed", code: "EEXIST" })
      expect(readFileSync(file, "utf8")).toBe("precious")
      expect(readdirSync(dirname(file)).filter((name) => name.includes("partial"))).toEqual([])
    }),
  )

  it.effect("says where it cannot write", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(backup(join(yield* place, "not", "there.db")))
      expect(error).toMatchObject({ _tag: "StoreFailed", code: "ENOENT" })
    }),
  )

  it.effect("works while another process is writing", () =>
    Effect.gen(function* () {
      yield* enqueued()
      yield* leased()
      const { file: source } = yield* Database
      const other = new Sqlite(source)
      other.run("BEGIN IMMEDIATE")
      other.run("INSERT INTO meta VALUES ('half', 'written')")
      const file = yield* place
      yield* backup(file)
      other.run("ROLLBACK")
      other.close()
      const copy = new Sqlite(file, { readonly: true })
      expect(copy.query("SELECT * FROM meta WHERE key = 'half'").all()).toEqual([])
      copy.close()
    }),
  )

  it.effect("refuses to call the copy of a damaged database a backup", () =>
    Effect.gen(function* () {
      for (let n = 0; n < 40; n++) yield* enqueued({ taskId: `task-${n}`, content: "x".repeat(3_000) })
      const { file: source, read } = yield* Database
      const page = yield* read((db) => {
        db.query("PRAGMA wal_checkpoint(TRUNCATE)").all()
        return db.query("SELECT rootpage FROM sqlite_schema WHERE name = 'entry_payload'").get()
      })
      const bytes = readFileSync(source)
      bytes.fill(
        0xff,
        ((page as { rootpage: number }).rootpage - 1) * 4_096 + 8,
        (page as { rootpage: number }).rootpage * 4_096,
      )
      const damaged = `${source}.damaged`
      writeFileSync(damaged, bytes)
      const built = yield* Layer.build(Database.layer({ file: damaged, create: false }))
      const file = yield* place
      const error = yield* Effect.flip(
        Effect.provideService(backup(file), Database, Context.get(built, Database)),
      )
      expect(error).toMatchObject({ _tag: "DatabaseError", fault: "corrupt" })
      expect(readdirSync(dirname(file)).filter((name) => name.startsWith("copy.db"))).toEqual([])
    }),
  )
})
