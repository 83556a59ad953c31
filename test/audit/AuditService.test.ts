// @effect-diagnostics strictEffectProvide:off -- one test wraps the live database in a fault double

import { describe, expect } from "bun:test"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { AuditService } from "../../src/audit/AuditService.ts"
import { chainHash, GENESIS_HASH } from "../../src/domain/audit.ts"
import { decodeCounts } from "../../src/domain/entry.ts"
import type { AuditRow } from "../../src/platform/audit.sql.ts"
import { Database } from "../../src/platform/Database.ts"
import { QueueService } from "../../src/queue/QueueService.ts"
import { providing, START, withLayer } from "../support/effect.ts"
import { anItem, ENQUEUE, enqueued, QUEUE_LAYERS, queueInMemory } from "../support/queue.ts"

import { busy, fault, rows, sql, verify } from "./busy.ts"

/** Takes the triggers away, as somebody with a SQLite shell would. */
const unlocked = sql((db) => {
  for (const name of ["update", "delete", "insert"]) db.run(`DROP TRIGGER audit_is_append_only_${name}`)
})

/** Recomputes every hash from `seq` on: a forger who knows the format. */
const rehash = sql((db) => {
  let previous = GENESIS_HASH
  for (const row of db.query<AuditRow, []>("SELECT * FROM audit ORDER BY seq").all()) {
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
        expect(yield* verify()).toEqual({
          rows: 0,
          archived: 0,
          casts: 0,
          head: GENESIS_HASH,
          seq: 0,
          fault: null,
        })
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
        providing(AuditService.layer),
        Effect.provideService(Database, writing),
      )
      expect(report.fault).toBeNull()
      expect(writes).toBeGreaterThan(3)
      expect(report.casts).toBeGreaterThan(350)
    }),
  )
})
