import type { Database as Sqlite } from "bun:sqlite"
import { describe, expect } from "bun:test"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/TestClock"
import {
  commitArchive,
  finishArchive,
  planArchive,
  sweepEntries,
  sweepRows,
} from "../../src/audit/archiving.ts"
import { packBlob, putBlobs } from "../../src/audit/BlobStore.ts"
import { PUT_EFFECT } from "../../src/audit/blob.sql.ts"
import { ContentsInUse } from "../../src/audit/contents-in-use.ts"
import { sha256Hex } from "../../src/domain/hash.ts"
import { QueueService } from "../../src/queue/QueueService.ts"
import { START, withLayer } from "../support/effect.ts"
import {
  aDecision,
  anItem,
  DAY,
  ENQUEUE,
  enqueued,
  HOUR,
  landed,
  leased,
  queueInMemory,
  settled,
} from "../support/queue.ts"
import { sql, verify } from "./busy.ts"

const it = withLayer(queueInMemory)

const FILE = { folder: "/archive", file: "archive-1.jsonl", sha256: "a".repeat(64), blobs: 1_000 }

/** Everything that was decided an hour ago or earlier; as far as `until`. */
const archived = (until: "committed" | "swept" | "finished" = "finished") =>
  Effect.gen(function* () {
    const queue = yield* QueueService
    const before = (yield* Effect.clockWith((clock) => clock.currentTimeMillis)) - HOUR
    return yield* queue.transact((db, at) => {
      const plan = planArchive(db, before, at)!
      const archive = commitArchive(db, plan, FILE, "ada", at)!
      if (until === "committed") return plan
      sweepEntries(db, 0, archive.cut)
      sweepRows(db, Number.MIN_SAFE_INTEGER, archive.cut)
      if (until === "finished") finishArchive(db, archive.cut)
      return plan
    })
  })

/** Two landings and a failure that are old, a landing and two more that are not, one of them undecided. */
const scene = Effect.gen(function* () {
  const queue = yield* QueueService
  yield* landed({ taskId: "one" })
  yield* landed({ taskId: "two" })
  yield* queue.approve({ entryId: 2 }, aDecision(), false)
  yield* queue.approve({ requestId: "greeting" }, aDecision(), false)
  yield* enqueued({ taskId: "three" })
  yield* settled(yield* leased(), "failed")
  const waits = yield* enqueued({ taskId: "waits", at: START, ttlSeconds: 99 * 86_400 })
  yield* queue.approve({ entryId: waits }, aDecision(), false)
  yield* TestClock.adjust(2 * HOUR)
  yield* enqueued({ taskId: "fresh", at: START, ttlSeconds: 99 * 86_400 })
})

describe("a checkpoint", () => {
  it.effect("leaves the live entries, what was decided lately, and a log that verifies at every step", () =>
    Effect.gen(function* () {
      const queue = yield* QueueService
      yield* scene
      for (const until of ["committed", "swept", "finished"] as const) {
        if (until === "committed") expect((yield* archived("committed")).ids).toEqual([1, 2, 3])
        else
          yield* queue.transact((db) => {
            const { cut } = db.query<{ cut: number }, []>("SELECT cut FROM archive").get()!
            if (until === "swept") {
              sweepEntries(db, 0, cut)
              sweepRows(db, Number.MIN_SAFE_INTEGER, cut)
            } else finishArchive(db, cut)
          })
        expect(yield* verify()).toMatchObject({ fault: null })
      }
      expect(yield* queue.read((db) => db.query("SELECT count(*) AS n FROM receipt").get())).toEqual({ n: 0 })
      expect(yield* queue.counts()).toMatchObject({ applied: 2, failed: 1, pending: 2 })
    }),
  )

  it.effect("keeps an entry that a live one waits for, and what was said about it", () =>
    Effect.gen(function* () {
      yield* landed({ taskId: "ground" })
      yield* landed({ taskId: "other" })
      yield* enqueued({ taskId: "waits", dependsOn: ["ground"], at: START, ttlSeconds: 99 * 86_400 })
      yield* TestClock.adjust(2 * HOUR)
      expect((yield* archived()).ids).toEqual([2])
      expect((yield* verify()).fault).toBeNull()
    }),
  )

  it.effect("does not come about when an entry changed since it was planned", () =>
    Effect.gen(function* () {
      const queue = yield* QueueService
      yield* scene
      const plan = yield* queue.read((db) => planArchive(db, START + HOUR, START + 2 * HOUR)!)
      yield* queue.requeue(3, "again", "ada")
      const outcome = yield* queue.transact((db, at) => commitArchive(db, plan, FILE, "ada", at))
      expect(outcome).toBeNull()
      expect(yield* queue.read((db) => db.query("SELECT * FROM archive").all())).toEqual([])
    }),
  )

  it.effect("takes no landing a second time, within the window and after it", () =>
    Effect.gen(function* () {
      const queue = yield* QueueService
      yield* landed({ taskId: "one" })
      yield* TestClock.adjust(2 * HOUR)
      yield* archived()
      const offer = (content?: string) =>
        Effect.gen(function* () {
          const at = yield* Effect.clockWith((clock) => clock.currentTimeMillis)
          return (yield* queue.enqueue(
            [anItem({ taskId: "one", at, ...(content && { content }) })],
            ENQUEUE,
          ))[0]
        })
      expect(yield* offer()).toMatchObject({ outcome: "duplicate", entryId: 1 })
      expect(yield* offer("another\n")).toMatchObject({
        outcome: "rejected",
        violation: { code: "task_already_applied" },
      })
      yield* TestClock.adjust(DAY)
      const again = yield* offer()
      expect(again).toMatchObject({ outcome: "queued" })
      expect(
        yield* queue.read((db) => db.query("SELECT generation FROM entry ORDER BY id DESC LIMIT 1").get()),
      ).toEqual({ generation: 2 })
      expect((yield* verify()).fault).toBeNull()
    }),
  )

  it.effect("gives no number of an approval twice", () =>
    Effect.gen(function* () {
      const queue = yield* QueueService
      yield* landed({ taskId: "one" })
      yield* queue.approve({ entryId: 1 }, aDecision(), false)
      yield* TestClock.adjust(2 * HOUR)
      yield* archived()
      const next = yield* enqueued({ taskId: "next", at: START + HOUR })
      yield* queue.approve({ entryId: next }, aDecision(), false)
      expect(yield* queue.read((db) => db.query("SELECT id FROM approval").all())).toEqual([{ id: 2 }])
    }),
  )
})

describe("an archived entry whose contents are still being taken out", () => {
  it.effect("is not swept, requeued, approved or noted any more", () =>
    Effect.gen(function* () {
      const queue = yield* QueueService
      const stale = yield* Effect.map(enqueued({ taskId: "zombie" }), () => undefined).pipe(
        Effect.zipRight(leased("gone", 1)),
      )
      yield* TestClock.adjust(1_000)
      yield* queue.maintain()
      yield* settled(yield* leased(), "failed")
      yield* landed({ taskId: "landed" })
      yield* TestClock.adjust(2 * HOUR)
      yield* archived("committed")
      const at = START + 3 * HOUR
      const before = yield* queue.head()
      expect((yield* queue.sweep({ kind: "decided", before: at, actor: "ada" })).entries).toEqual([])
      expect((yield* queue.sweep({ kind: "failed", before: at, actor: "ada" })).entries).toEqual([])
      expect(yield* queue.requeue(1, "again", "ada")).toBeNull()
      expect(yield* queue.approve({ entryId: 2 }, aDecision(), false)).toBeNull()
      expect((yield* settled(stale, "applied")).lost).toEqual([1])
      expect((yield* queue.head()).seq).toBe(before.seq)
      expect((yield* verify()).fault).toBeNull()
    }),
  )
})

describe("the door in the log", () => {
  const refused = (statement: string) =>
    Effect.gen(function* () {
      const queue = yield* QueueService
      const { message } = yield* Effect.flip(queue.transact((db) => db.run(statement)))
      return message
    })

  it.effect(
    "is shut without a checkpoint, for rows behind the cut, for entries that stay, and afterwards",
    () =>
      Effect.gen(function* () {
        yield* scene
        expect(yield* refused("DELETE FROM audit WHERE seq = 1")).toContain("append-only")
        yield* archived("committed")
        for (const which of [
          "seq > (SELECT cut FROM archive)",
          "entry_id = 4",
          "event = 'archived'",
          "event = 'approval_recorded' AND entry_id IS NULL",
        ])
          expect(yield* refused(`DELETE FROM audit WHERE ${which}`)).toContain("append-only")
        const queue = yield* QueueService
        yield* queue.transact((db) => db.run("DELETE FROM audit WHERE seq = 1"))
        yield* queue.transact((db) => db.run("UPDATE archive SET swept = 1"))
        expect(yield* refused("DELETE FROM audit WHERE seq = 2")).toContain("append-only")
      }),
  )

  it.effect("opens for no checkpoint that the log does not record", () =>
    Effect.gen(function* () {
      yield* scene
      const queue = yield* QueueService
      yield* queue.transact((db) => {
        db.run(
          "INSERT INTO archive VALUES (5, 'h', 'c', NULL, 1, 'e', 'c', 0, '/f', 'f', 's', 1, 'eve', 3, 0)",
        )
        db.run("UPDATE entry SET archived = 5 WHERE id = 1")
      })
      expect(yield* refused("DELETE FROM audit WHERE seq = 1")).toContain("append-only")
    }),
  )

  it.effect("leaves checkpoints and archived entries as they are", () =>
    Effect.gen(function* () {
      yield* scene
      yield* archived()
      expect(yield* refused("DELETE FROM archive")).toContain("never deleted")
      expect(yield* refused("UPDATE archive SET head = 'x'")).toContain("never changed")
      expect(yield* refused("UPDATE archive SET swept = 0")).toContain("never opened again")
      expect(yield* refused("UPDATE entry SET state = 'pending', decided = 0 WHERE id = 1")).toContain(
        "never changes",
      )
      expect(yield* refused("DELETE FROM entry WHERE id = 1")).toContain("stays known")
    }),
  )
})

describe("tampering behind a checkpoint is found and named:", () => {
  const TRIGGERS = [
    "audit_is_append_only_update",
    "audit_is_append_only_delete",
    "audit_is_append_only_insert",
    "archive_is_kept_update",
    "archive_is_kept_delete",
    "entry_archived_update",
    "entry_archived_delete",
  ]
  const cut = "(SELECT cut FROM archive)"
  const CASES: readonly (readonly [what: string, statement: string, fault: object])[] = [
    ["an archived entry edited", "UPDATE entry SET state = 'failed' WHERE id = 1", { code: "archive" }],
    ["its generation", "UPDATE entry SET generation = 7 WHERE id = 1", { code: "archive" }],
    ["its commit", "UPDATE entry SET landed_commit = 'abc' WHERE id = 1", { code: "archive" }],
    ["it deleted", "DELETE FROM entry WHERE id = 1", { code: "archive" }],
    ["it brought back to life", "UPDATE entry SET archived = NULL WHERE id = 1", { code: "archive" }],
    [
      "a receipt put in its place",
      "INSERT INTO receipt VALUES (1, NULL, 1, '{}')",
      { code: "entry", entryId: 1 },
    ],
    ["the checkpoint's head", "UPDATE archive SET head = 'x'", { code: "hash" }],
    ["its tree", "UPDATE archive SET tree = 'x'", { code: "archive" }],
    ["its archive's digest", "UPDATE archive SET sha256 = 'x'", { code: "archive" }],
    ["its folder", "UPDATE archive SET folder = '/elsewhere'", { code: "archive" }],
    ["its actor", "UPDATE archive SET actor = 'eve'", { code: "archive" }],
    ["the checkpoint deleted", "UPDATE entry SET archived = NULL; DELETE FROM archive", { code: "gap" }],
    ["the first row behind it deleted", `DELETE FROM audit WHERE seq = ${cut} + 1`, { code: "gap" }],
    ["the row that recorded it deleted", "DELETE FROM audit WHERE event = 'archived'", { code: "archive" }],
    [
      "a row that stayed edited",
      `UPDATE audit SET actor = 'eve' WHERE event = 'enqueued' AND entry_id = 4`,
      { code: "archive" },
    ],
    [
      "a row that stayed deleted",
      `DELETE FROM audit WHERE event = 'enqueued' AND entry_id = 4`,
      { code: "history" },
    ],
    [
      "a row put among those that stayed",
      "INSERT INTO audit SELECT 1, at, 'cleanup', NULL, NULL, 'queue', actor, '{}', counts, hash FROM audit LIMIT 1",
      { code: "archive" },
    ],
  ]
  for (const [what, statement, fault] of CASES)
    it.effect(what, () =>
      Effect.gen(function* () {
        yield* scene
        yield* archived()
        expect((yield* verify()).fault).toBeNull()
        yield* sql((db: Sqlite) => {
          for (const trigger of TRIGGERS) db.run(`DROP TRIGGER ${trigger}`)
          for (const one of statement.split(";")) db.run(one)
        })
        expect((yield* verify()).fault).toMatchObject(fault)
      }),
    )
})

describe("stored contents that nothing speaks of", () => {
  it.effect("go; what a landing began to speak of meanwhile stays, and so does the newest", () =>
    Effect.gen(function* () {
      const queue = yield* QueueService
      const bytes = (text: string) => new TextEncoder().encode(text)
      const hashOf = (text: string) => sha256Hex(bytes(text))
      const id = yield* enqueued({ taskId: "live" })
      yield* queue.transact((db) =>
        putBlobs(
          db,
          ["used", "later", "unused", "newest"].map((text) => packBlob(hashOf(text), bytes(text))),
        ),
      )
      const speak = (text: string) =>
        sql((db) => db.query(PUT_EFFECT).run(id, `${text}.txt`, null, null, "100644", hashOf(text)))
      yield* speak("used")
      const inUse = new ContentsInUse()
      yield* sql((db) => inUse.look(db))
      yield* speak("later")
      yield* leased()
      const swept = yield* queue.transact((db) => inUse.sweep(db, 0, 1_000))
      expect(swept.dropped).toBe(1)
      const left = yield* queue.read((db) =>
        db.query<{ hash: string }, []>("SELECT hash FROM blob ORDER BY rowid").all(),
      )
      expect(left.map(({ hash }) => hash)).toEqual(["used", "later", "newest"].map(hashOf))
      // Shipping goes on by these numbers: giving pages back must not change them.
      const numbers = sql((db) => db.query("SELECT rowid AS number, hash FROM blob ORDER BY rowid").all())
      const before = yield* numbers
      yield* sql((db) => db.run("VACUUM"))
      expect(yield* numbers).toEqual(before)
    }),
  )
})
