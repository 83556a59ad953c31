import { describe, expect } from "bun:test"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/TestClock"
import { payloadOf } from "../../src/queue/lease.ts"
import { QueueService } from "../../src/queue/QueueService.ts"
import type { DeadLetterFilter, ListFilter } from "../../src/queue/queue.sql.ts"
import { aheadOf, deadLetters, depth, listEntries, resolveId } from "../../src/queue/read.ts"
import { aReceipt } from "../support/builders.ts"
import { START, withLayer } from "../support/effect.ts"
import { enqueued, entry, HOUR, landed, leased, queueInMemory, settled } from "../support/queue.ts"

const it = withLayer(queueInMemory)

const listed = (filter: Partial<ListFilter>) =>
  Effect.flatMap(QueueService, (queue) =>
    queue.read((db) => listEntries(db, { limit: 100, ...filter }).map((row) => row.task_id)),
  )

describe("listing", () => {
  const three = Effect.gen(function* () {
    yield* enqueued({ taskId: "a", agent: "claude", path: "src/a.txt", priority: 9 })
    yield* settled(yield* leased(), "failed")
    yield* TestClock.adjust(HOUR)
    yield* enqueued({ taskId: "b", path: "src/b.txt", requestId: "other" })
    yield* enqueued({ taskId: "c", path: "src/c.txt" })
  })

  it.effect("gives the newest first and filters by everything", () =>
    Effect.gen(function* () {
      yield* three
      expect(yield* listed({})).toEqual(["c", "b", "a"])
      expect(yield* listed({ limit: 2 })).toEqual(["c", "b"])
      expect(yield* listed({ states: ["pending"] })).toEqual(["c", "b"])
      expect(yield* listed({ states: ["failed", "conflict"] })).toEqual(["a"])
      expect(yield* listed({ agent: "claude" })).toEqual(["a"])
      expect(yield* listed({ requestId: "other" })).toEqual(["b"])
      expect(yield* listed({ path: "src/b.txt" })).toEqual(["b"])
      expect(yield* listed({ since: START + HOUR })).toEqual(["c", "b"])
      expect(yield* listed({ before: 3, states: ["pending"] })).toEqual(["b"])
    }),
  )

  it.effect("one bad row breaks neither the list nor a search by path", () =>
    Effect.gen(function* () {
      const queue = yield* QueueService
      yield* three
      for (const body of ["{", "[]", "null", ""]) {
        yield* queue.read((db) => db.run("UPDATE entry_payload SET body = ? WHERE id = 2", [body]))
        expect(yield* listed({})).toEqual(["c", "b", "a"])
        expect(yield* listed({ path: "src/a.txt" })).toEqual(["a"])
        expect(yield* queue.read((db) => payloadOf(db, 2))).toBeNull()
      }
    }),
  )
})

describe("dead letters", () => {
  it.effect("newest first, page by page, filtered by agent, path and time", () =>
    Effect.gen(function* () {
      const queue = yield* QueueService
      for (const [taskId, agent] of [
        ["a", "claude"],
        ["b", "codex"],
        ["c", "claude"],
      ] as const) {
        yield* enqueued({ taskId, agent, path: `src/${taskId}.txt` })
        yield* settled(yield* leased(), "failed")
        yield* TestClock.adjust(HOUR)
      }
      const tasks = (filter: Partial<DeadLetterFilter>) =>
        queue.read((db) => deadLetters(db, { limit: 10, ...filter }).map((row) => row.task_id))
      expect(yield* tasks({})).toEqual(["c", "b", "a"])
      expect(yield* tasks({ limit: 2 })).toEqual(["c", "b"])
      expect(yield* tasks({ agent: "claude" })).toEqual(["c", "a"])
      expect(yield* tasks({ path: "src/b.txt" })).toEqual(["b"])
      expect(yield* tasks({ since: START + HOUR })).toEqual(["c", "b"])
      const [, second] = yield* queue.read((db) => deadLetters(db, { limit: 2 }))
      expect(yield* tasks({ before: second!.id })).toEqual(["a"])
    }),
  )
})

describe("ids", () => {
  it.effect("entry, cast, task, request and commit are all understood", () =>
    Effect.gen(function* () {
      const queue = yield* QueueService
      const first = yield* enqueued({ taskId: "a" })
      yield* settled(yield* leased(), "failed")
      const second = yield* enqueued({ taskId: "a", content: "second\n" })
      const third = yield* enqueued({ taskId: "b" })
      const commit = "abcdef0123456789abcdef0123456789abcdef01"
      const lease = yield* leased()
      yield* settled(lease, "committing")
      yield* queue.settle([
        {
          to: "applied",
          lease,
          receipt: (auditSeq) =>
            aReceipt({ entryId: lease.entry.id, checksum: lease.cast.checksum, auditSeq, commit }),
        },
      ])
      const resolve = (text: string) => queue.read((db) => resolveId(db, text))
      expect(yield* resolve(String(first))).toEqual([first])
      expect(yield* resolve((yield* entry(third)).cast_id)).toEqual([third])
      expect(yield* resolve("a")).toEqual([second])
      expect(yield* resolve("greeting")).toEqual([first, second, third])
      expect(yield* resolve(commit)).toEqual([second])
      expect(yield* resolve(commit.slice(0, 7))).toEqual([second])
      expect(yield* resolve(commit.slice(0, 6))).toEqual([])
      for (const text of ["", "0", "99", "-1", "nobody", "cast-0000000000000000", "' OR 1=1"])
        expect(yield* resolve(text)).toEqual([])
    }),
  )
})

describe("counts", () => {
  it.effect("metrics do not load every row: the newest audit row carries them", () =>
    Effect.gen(function* () {
      const queue = yield* QueueService
      yield* landed({ taskId: "landed" })
      yield* enqueued()
      const before = yield* queue.counts()
      expect(before).toMatchObject({ applied: 1, pending: 1 })
      // With the entries gone, a count over them would give nothing.
      yield* queue.read((db) => {
        db.run("PRAGMA foreign_keys = OFF")
        db.run("DELETE FROM entry")
      })
      expect(yield* queue.counts()).toEqual(before)
    }),
  )

  it.effect("depth is what is not decided, position is what goes before", () =>
    Effect.gen(function* () {
      const queue = yield* QueueService
      yield* landed({ taskId: "landed" })
      for (const taskId of ["a", "b", "c"]) yield* enqueued({ taskId })
      const last = yield* enqueued({ taskId: "d" })
      yield* leased()
      const row = yield* entry(last)
      expect(yield* queue.read((db) => aheadOf(db, row))).toBe(2)
      expect(depth(yield* queue.counts())).toBe(4)
    }),
  )
})
