import type { Database as Sqlite } from "bun:sqlite"
import { describe, expect } from "bun:test"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { AuditService } from "../../src/audit/AuditService.ts"
import type { AuditLogRow } from "../../src/audit/audit.sql.ts"
import { chainHash, GENESIS_HASH } from "../../src/domain/audit.ts"
import { decodeCounts } from "../../src/domain/entry.ts"
import { Database } from "../../src/platform/Database.ts"
import { QueueService } from "../../src/queue/QueueService.ts"
import { START, withLayer } from "../support/effect.ts"
import {
  aDecision,
  anItem,
  aWithdrawal,
  ENQUEUE,
  enqueued,
  LEASE_MS,
  landed,
  leased,
  QUEUE_LAYERS,
  queueInMemory,
  settled,
} from "../support/queue.ts"

const verify = (head?: string) => Effect.flatMap(AuditService, (audit) => audit.verify(head))
const fault = Effect.map(verify(), (report) => report.fault)
const sql = <A>(body: (db: Sqlite) => A) => Effect.flatMap(Database, (database) => database.read(body))
const rows = sql((db) => db.query<AuditLogRow, []>("SELECT * FROM audit ORDER BY seq").all())

/** A queue with every kind of row in its log, each with something beside it that the log proves. */
const busy = Effect.gen(function* () {
  const queue = yield* QueueService
  yield* landed({ taskId: "landed" })
  const approved = yield* enqueued({ taskId: "approved" })
  yield* settled(yield* leased(), "awaiting_approval")
  yield* queue.approve({ entryId: approved }, aDecision({ note: "fine", acknowledged: ["bun.lock"] }), true)
  yield* queue.approve({ requestId: "greeting" }, aDecision({ approver: "bob" }), false)
  yield* enqueued({ taskId: "failed" })
  yield* settled(yield* leased(), "failed")
  const rejected = yield* enqueued({ taskId: "rejected" })
  const lease = yield* leased()
  yield* queue.withdraw(
    rejected,
    aWithdrawal({ event: "rejected", decision: aDecision({ decision: "reject" }) }),
  )
  yield* queue.renew([lease], LEASE_MS)
  yield* enqueued({ taskId: "waiting" })
  yield* queue.enqueue([anItem({ taskId: "waiting" })], ENQUEUE)
  return { landed: 1, approved, failed: 3, rejected, waiting: 5 }
})

/** Takes the triggers away, as somebody with a SQLite shell would. */
const unlocked = sql((db) => {
  for (const name of ["update", "delete", "insert"]) db.run(`DROP TRIGGER audit_is_append_only_${name}`)
})

/** Recomputes every hash from `seq` on: a forger who knows the format. */
const rehash = sql((db) => {
  let previous = GENESIS_HASH
  for (const row of db.query<AuditLogRow, []>("SELECT * FROM audit ORDER BY seq").all()) {
    const hash = chainHash(previous, {
      seq: row.seq,
      at: row.at,
      event: row.event,
      entryId: row.entry_id,
      entryPrevious: row.entry_previous,
      subject: row.subject,
      actor: row.actor,
      data: row.data,
      counts: decodeCounts(row.counts),
    })
    db.run("UPDATE audit SET hash = ? WHERE seq = ?", [hash, row.seq])
    previous = hash
  }
})

for (const [name, layer] of QUEUE_LAYERS) {
  const it = withLayer(layer)
  describe(`an untouched log over ${name}`, () => {
    it.effect("is green, and an exported head stays provable while the log grows", () =>
      Effect.gen(function* () {
        expect(yield* verify()).toEqual({ rows: 0, casts: 0, head: GENESIS_HASH, seq: 0, fault: null })
        yield* busy
        const before = yield* verify()
        expect(before).toMatchObject({ casts: 5, fault: null })
        expect(before.rows).toBe((yield* rows).length)
        yield* enqueued({ taskId: "later" })
        expect((yield* verify(before.head)).fault).toBeNull()
        expect((yield* verify(GENESIS_HASH)).fault).toBeNull()
        expect((yield* verify("0123")).fault).toMatchObject({ code: "head" })
      }),
    )
  })
}

const it = withLayer(queueInMemory)

describe("the log refuses", () => {
  for (const [what, statement] of [
    ["an update", "UPDATE audit SET actor = 'eve' WHERE seq = 3"],
    ["a delete", "DELETE FROM audit WHERE seq = 3"],
    ["a truncation", "DELETE FROM audit"],
    ["a replaced row", "INSERT OR REPLACE INTO audit SELECT * FROM audit WHERE seq = 3"],
    [
      "an inserted row",
      "INSERT INTO audit SELECT -1, at, event, entry_id, entry_previous, subject, actor, data, counts, hash FROM audit WHERE seq = 3",
    ],
    [
      "a row far ahead",
      "INSERT INTO audit SELECT 9999, at, event, entry_id, entry_previous, subject, actor, data, counts, hash FROM audit WHERE seq = 3",
    ],
  ] as const)
    it.effect(what, () =>
      Effect.gen(function* () {
        yield* busy
        const before = yield* rows
        const result = yield* Effect.either(sql((db) => db.run(statement)))
        expect(Either.isLeft(result) && result.left.detail).toBe("the audit log is append-only")
        expect(yield* rows).toEqual(before)
      }),
    )
})

describe("tampering with the log is found and named:", () => {
  it.effect("any column of any row changed", () =>
    Effect.gen(function* () {
      yield* busy
      yield* unlocked
      const original = yield* rows
      for (const row of original)
        for (const [column, value] of Object.entries(row)) {
          const other =
            column === "seq"
              ? row.seq + 1_000
              : typeof value === "number"
                ? value + 1
                : value === null
                  ? column.startsWith("entry")
                    ? 1
                    : ""
                  : `${value}x`
          yield* sql((db) => db.run(`UPDATE audit SET ${column} = ? WHERE seq = ?`, [other, row.seq]))
          const found = yield* fault
          expect({ column, seq: found?.seq, code: found?.code }).toEqual({
            column,
            seq: row.seq,
            code: column === "seq" ? "gap" : "hash",
          })
          const now = column === "seq" ? row.seq + 1_000 : row.seq
          yield* sql((db) => db.run(`UPDATE audit SET ${column} = ? WHERE seq = ?`, [value, now]))
        }
      expect(yield* fault).toBeNull()
    }),
  )

  it.effect("a row deleted", () =>
    Effect.gen(function* () {
      yield* busy
      yield* unlocked
      yield* sql((db) => db.run("DELETE FROM audit WHERE seq = 4"))
      expect(yield* fault).toMatchObject({ code: "gap", seq: 4, message: "row 4 is missing" })
    }),
  )

  it.effect("a row deleted and the rest moved up", () =>
    Effect.gen(function* () {
      yield* busy
      yield* unlocked
      yield* sql((db) => {
        db.run("DELETE FROM audit WHERE seq = 4")
        for (const row of db
          .query<{ seq: number }, []>("SELECT seq FROM audit WHERE seq > 4 ORDER BY seq")
          .all())
          db.run("UPDATE audit SET seq = seq - 1 WHERE seq = ?", [row.seq])
      })
      expect(yield* fault).toMatchObject({ code: "hash", seq: 4 })
    }),
  )

  it.effect("two rows swapped", () =>
    Effect.gen(function* () {
      yield* busy
      yield* unlocked
      yield* sql((db) => {
        db.run("UPDATE audit SET seq = -1 WHERE seq = 4")
        db.run("UPDATE audit SET seq = 4 WHERE seq = 5")
        db.run("UPDATE audit SET seq = 5 WHERE seq = -1")
      })
      expect(yield* fault).toMatchObject({ code: "hash", seq: 4 })
    }),
  )

  it.effect("a row inserted between others", () =>
    Effect.gen(function* () {
      yield* busy
      yield* unlocked
      yield* sql((db) => {
        const later = db
          .query<{ seq: number }, []>("SELECT seq FROM audit WHERE seq >= 4 ORDER BY seq DESC")
          .all()
        for (const row of later) db.run("UPDATE audit SET seq = seq + 1 WHERE seq = ?", [row.seq])
        db.run(`INSERT INTO audit SELECT 4, at, event, entry_id, entry_previous, subject, actor, data, counts, hash
          FROM audit WHERE seq = 3`)
      })
      expect(yield* fault).toMatchObject({ code: "hash", seq: 4 })
    }),
  )

  it.effect("a row put before the first, or after the last", () =>
    Effect.gen(function* () {
      yield* busy
      yield* unlocked
      const copy = (seq: number) =>
        sql((db) =>
          db.run(
            `INSERT INTO audit SELECT ?, at, event, entry_id, entry_previous, subject, actor, data, counts, hash
              FROM audit WHERE seq = 3`,
            [seq],
          ),
        )
      const { seq } = yield* verify()
      yield* copy(seq + 1)
      expect(yield* fault).toMatchObject({ code: "hash", seq: seq + 1 })
      yield* sql((db) => db.run("DELETE FROM audit WHERE seq = ?", [seq + 1]))
      for (const seq of [0, -7]) {
        yield* copy(seq)
        expect(yield* fault).toMatchObject({
          code: "gap",
          seq,
          message: `row ${seq} does not belong to the log`,
        })
        yield* sql((db) => db.run("DELETE FROM audit WHERE seq = ?", [seq]))
      }
    }),
  )

  it.effect("the tail cut off: the entries it was about show it", () =>
    Effect.gen(function* () {
      const ids = yield* busy
      yield* unlocked
      const { seq, head } = yield* verify()
      // The newest row is a refused duplicate, which no entry knows of: only an exported head proves it was there.
      yield* sql((db) => db.run("DELETE FROM audit WHERE seq = ?", [seq]))
      expect(yield* fault).toBeNull()
      expect((yield* verify(head)).fault).toMatchObject({ code: "head", seq: seq - 1 })
      yield* sql((db) => db.run("DELETE FROM audit WHERE seq = ?", [seq - 1]))
      expect(yield* fault).toMatchObject({
        code: "entry",
        entryId: ids.waiting,
        message: `entry ${ids.waiting} is in the queue, but not in the log`,
      })
      expect((yield* verify(head)).fault).toMatchObject({ code: "head" })
    }),
  )

  it.effect("a row forged with every hash recomputed: only the exported head proves it", () =>
    Effect.gen(function* () {
      yield* busy
      yield* unlocked
      const { head } = yield* verify()
      yield* sql((db) => db.run("UPDATE audit SET actor = 'eve' WHERE seq = 2"))
      yield* rehash
      expect(yield* fault).toBeNull()
      expect((yield* verify(head)).fault).toMatchObject({ code: "head" })
    }),
  )

  it.effect("counts and histories that do not follow, even with every hash recomputed", () =>
    Effect.gen(function* () {
      yield* busy
      yield* unlocked
      const [, second] = yield* rows
      yield* sql((db) => db.run("UPDATE audit SET counts = '9,9,9,9,9,9,9,9,9,9' WHERE seq = 2"))
      yield* rehash
      expect(yield* fault).toMatchObject({ code: "counts", seq: 2 })
      yield* sql((db) =>
        db.run("UPDATE audit SET counts = ?, entry_previous = NULL WHERE seq = 2", [second!.counts]),
      )
      yield* rehash
      expect(yield* fault).toMatchObject({ code: "history", seq: 2 })
    }),
  )

  it.effect("a transition the table does not have", () =>
    Effect.gen(function* () {
      yield* busy
      yield* unlocked
      yield* sql((db) => db.run("UPDATE audit SET event = 'applied' WHERE event = 'leased' AND seq = 2"))
      yield* rehash
      expect(yield* fault).toMatchObject({ code: "counts", seq: 2 })
    }),
  )
})

describe("tampering with the queue is found and named:", () => {
  const queueFault = (statement: string) =>
    Effect.gen(function* () {
      const ids = yield* busy
      yield* sql((db) => {
        db.run("PRAGMA foreign_keys = OFF")
        db.run(statement)
      })
      return { ids, fault: yield* fault }
    })

  for (const [what, statement, expected] of [
    [
      "a state edited by hand",
      "UPDATE entry SET state = 'applied', decided = 1 WHERE id = 5",
      { code: "entry", entryId: 5, message: "entry 5 is applied in the queue, but pending in the log" },
    ],
    [
      "two states swapped, so that all counts stay",
      "UPDATE entry SET state = CASE id WHEN 1 THEN 'failed' ELSE 'applied' END WHERE id IN (1, 3)",
      { code: "entry", entryId: 1 },
    ],
    [
      "an entry deleted",
      "DELETE FROM entry WHERE id = 3",
      { code: "entry", entryId: 3, message: "entry 3 is in the log, but was taken out of the queue" },
    ],
    ["the last entry deleted", "DELETE FROM entry WHERE id = 5", { code: "entry", entryId: 5 }],
    ["all entries deleted", "DELETE FROM entry", { code: "entry", entryId: 1 }],
    [
      "an entry put in",
      "INSERT INTO entry SELECT 9, cast_id, checksum, request_id, task_id, agent, payload_hash, 9, 'cancelled', priority, rank, blockers, held, landing, attempts, max_attempts, NULL, lease_token, NULL, NULL, expires_at, 1, created_at, updated_at, reason_code, reason, supersedes, audit_seq FROM entry WHERE id = 5",
      { code: "entry", entryId: 9 },
    ],
    ["its agent", "UPDATE entry SET agent = 'eve' WHERE id = 5", { code: "entry", entryId: 5 }],
    ["its task", "UPDATE entry SET task_id = 'eve' WHERE id = 5", { code: "entry", entryId: 5 }],
    ["its priority", "UPDATE entry SET priority = 9 WHERE id = 5", { code: "entry", entryId: 5 }],
    ["its newest row", "UPDATE entry SET audit_seq = 1 WHERE id = 5", { code: "entry", entryId: 5 }],
    ["its request", "UPDATE entry SET request_id = 'eve' WHERE id = 5", { code: "cast", entryId: 5 }],
    [
      "a payload edited",
      "UPDATE entry_payload SET body = replace(body, 'hello', 'hullo') WHERE id = 5",
      { code: "cast", entryId: 5, message: "the payload of entry 5 does not match its checksum" },
    ],
    [
      "what a payload says about itself edited",
      "UPDATE entry_payload SET body = json_set(body, '$.wal_anchor', 7) WHERE id = 5",
      { code: "cast", entryId: 5 },
    ],
    [
      "a payload made unreadable",
      "UPDATE entry_payload SET body = '{' WHERE id = 5",
      { code: "cast", entryId: 5, message: "the payload of entry 5 cannot be read" },
    ],
    ["a live payload deleted", "DELETE FROM entry_payload WHERE id = 5", { code: "cast", entryId: 5 }],
    [
      "a receipt edited",
      "UPDATE receipt SET body = json_set(body, '$.flags', json('[]'))",
      { code: "receipt", entryId: 1 },
    ],
    ["a receipt deleted", "DELETE FROM receipt", { code: "receipt", entryId: 1 }],
    ["a receipt put in", "INSERT INTO receipt VALUES (5, NULL, 0, '{}')", { code: "receipt", entryId: 5 }],
    [
      "a proof edited",
      "UPDATE verification SET approval_digest = 'e' WHERE entry_id = 2",
      { code: "approval", entryId: 2 },
    ],
    [
      "an approval's digest edited",
      "UPDATE approval SET digest = 'e' WHERE entry_id = 2",
      { code: "approval", entryId: 2 },
    ],
    [
      "an approval's approver edited",
      "UPDATE approval SET approver = 'eve' WHERE entry_id = 2",
      { code: "approval", entryId: 2 },
    ],
    [
      "an approval's presence edited",
      "UPDATE approval SET presence = 'signature', attested = 1 WHERE entry_id = 2",
      { code: "approval", entryId: 2 },
    ],
    [
      "an approval's acknowledged paths edited",
      "UPDATE approval SET acknowledged = '[\"hyperion.json\"]' WHERE entry_id = 2",
      { code: "approval", entryId: 2 },
    ],
    [
      "an approval moved to another entry",
      "UPDATE approval SET entry_id = 5 WHERE entry_id = 2",
      { code: "approval", entryId: 5 },
    ],
    [
      "an approval of another request",
      "UPDATE approval SET request_id = 'eve' WHERE request_id IS NOT NULL",
      { code: "approval", entryId: null },
    ],
    [
      "a rejection turned into an approval",
      "UPDATE approval SET decision = 'approve' WHERE decision = 'reject'",
      { code: "approval", entryId: 4 },
    ],
    [
      "an approval put in",
      "INSERT INTO approval (entry_id, decision, approver, digest, presence, attested, acknowledged, created_at) VALUES (5, 'approve', 'ada', 'd', 'tty', 0, '[]', 0)",
      { code: "approval", entryId: 5 },
    ],
    ["an approval deleted", "DELETE FROM approval WHERE id = 1", { code: "approval" }],
  ] as const)
    it.effect(what, () =>
      Effect.gen(function* () {
        const { fault } = yield* queueFault(statement)
        expect(fault).toMatchObject(expected)
      }),
    )

  it.effect("a payload replaced by another valid cast, the entry's checksum with it", () =>
    Effect.gen(function* () {
      const ids = yield* busy
      const { cast } = anItem({ taskId: "waiting", content: "forged\n" })
      yield* sql((db) => {
        db.run("UPDATE entry_payload SET body = ? WHERE id = ?", [JSON.stringify(cast), ids.waiting])
        db.run("UPDATE entry SET checksum = ?, cast_id = ? WHERE id = ?", [
          cast.checksum,
          cast.cast_id,
          ids.waiting,
        ])
      })
      expect(yield* fault).toMatchObject({ code: "entry", entryId: ids.waiting })
    }),
  )

  it.effect("a decided entry whose payload was cleaned up is no fault", () =>
    Effect.gen(function* () {
      yield* busy
      yield* sql((db) => db.run("DELETE FROM entry_payload WHERE id = 1"))
      expect(yield* verify()).toMatchObject({ casts: 4, fault: null })
    }),
  )
})

describe("a log that is being written", () => {
  it.effect("is green at every moment", () =>
    Effect.gen(function* () {
      const queue = yield* QueueService
      const database = yield* Database
      // Writes between any two reads of the check, as another process would.
      let writes = 0
      const writing: typeof database = {
        ...database,
        read: (body) =>
          Effect.zipLeft(
            database.read(body),
            writes < 40
              ? queue.enqueue([anItem({ taskId: `during-${writes++}`, at: START })], ENQUEUE)
              : Effect.void,
          ).pipe(Effect.catchTag("QueueFull", () => Effect.die("full"))),
      }
      yield* queue.enqueue(
        Array.from({ length: 350 }, (_, n) => anItem({ taskId: `t-${n}` })),
        ENQUEUE,
      )
      const report = yield* Effect.flatMap(AuditService, (audit) => audit.verify()).pipe(
        Effect.provide(AuditService.layer),
        Effect.provideService(Database, writing),
      )
      expect(report.fault).toBeNull()
      expect(writes).toBeGreaterThan(3)
      expect(report.casts).toBeGreaterThan(350)
    }),
  )
})
