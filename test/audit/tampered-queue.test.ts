import { describe, expect } from "bun:test"
import * as Effect from "effect/Effect"
import { freezeQueue, thawQueue } from "../../src/queue/freeze.ts"
import { holdEntry, releaseEntry } from "../../src/queue/hold.ts"
import { QueueService } from "../../src/queue/QueueService.ts"
import { withLayer } from "../support/effect.ts"
import { anItem, enqueued, queueInMemory } from "../support/queue.ts"

import { busy, fault, sql, verify } from "./busy.ts"

const it = withLayer(queueInMemory)

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
      "INSERT INTO entry SELECT 9, cast_id, checksum, request_id, task_id, agent, payload_hash, 9, 'cancelled', priority, rank, blockers, held, landing, attempts, max_attempts, NULL, lease_token, NULL, NULL, expires_at, 1, created_at, updated_at, reason_code, reason, supersedes, audit_seq, NULL, NULL FROM entry WHERE id = 5",
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

describe("what people stopped", () => {
  /** A held entry (6) and a freeze beside all the rest. */
  const stopped = Effect.gen(function* () {
    yield* busy
    const held = yield* enqueued({ taskId: "held" })
    yield* (yield* QueueService).transact((db, at) => {
      holdEntry(db, held, { actor: "ada", reason: "not now" }, at)
      freezeQueue(db, { actor: "ada", reason: "release day" }, at)
    })
    return held
  })

  for (const [what, statement, expected] of [
    [
      "an entry held by hand",
      "UPDATE entry SET held = 1 WHERE id = 5",
      { code: "entry", entryId: 5, message: "entry 5 is held in the queue, but nobody held it by the log" },
    ],
    [
      "a hold taken off by hand",
      "UPDATE entry SET held = 0 WHERE id = 6",
      { code: "entry", entryId: 6, message: "entry 6 is held by the log, but was let go in the queue" },
    ],
    [
      "landings let go by hand",
      "DELETE FROM meta WHERE key = 'freeze'",
      { code: "freeze", message: "landings are stopped by the log (ada), but not in the queue" },
    ],
    [
      "the reason of a freeze edited",
      "UPDATE meta SET value = json_set(value, '$.reason', 'lunch') WHERE key = 'freeze'",
      { code: "freeze" },
    ],
    ["a freeze made unreadable", "UPDATE meta SET value = '{' WHERE key = 'freeze'", { code: "freeze" }],
  ] as const)
    it.effect(what, () =>
      Effect.gen(function* () {
        yield* stopped
        expect(yield* fault).toBeNull()
        yield* sql((db) => db.run(statement))
        expect(yield* fault).toMatchObject(expected)
      }),
    )

  it.effect("landings stopped by hand", () =>
    Effect.gen(function* () {
      yield* enqueued()
      yield* sql((db) => db.run("INSERT INTO meta VALUES ('freeze', '{}')"))
      expect(yield* fault).toMatchObject({ code: "freeze" })
    }),
  )

  it.effect("and let go again is no fault", () =>
    Effect.gen(function* () {
      const held = yield* stopped
      const queue = yield* QueueService
      yield* queue.transact((db, at) => [releaseEntry(db, held, "ada", at), thawQueue(db, "ada", at)])
      expect(yield* fault).toBeNull()
    }),
  )
})
