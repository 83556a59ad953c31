import { describe, expect } from "bun:test"
import * as Effect from "effect/Effect"
import { Database } from "../../src/platform/Database.ts"
import { holdEntry, releaseEntry } from "../../src/queue/hold.ts"
import { QueueService } from "../../src/queue/QueueService.ts"
import { aheadOf } from "../../src/queue/read.ts"
import { withLayer } from "../support/effect.ts"
import { enqueued, entry, leased, queueInMemory } from "../support/queue.ts"

const it = withLayer(queueInMemory)

describe("the order of the ready", () => {
  it.effect("leaves out what waits for others or for a person, and takes it back in its place", () =>
    Effect.gen(function* () {
      const queue = yield* QueueService
      const first = yield* enqueued({ taskId: "a" })
      const second = yield* enqueued({ taskId: "b", agent: "other" })
      const third = yield* enqueued({ taskId: "c", agent: "third" })
      const ahead = Effect.gen(function* () {
        const row = yield* entry(third)
        return yield* queue.read((db) => aheadOf(db, row))
      })
      expect(yield* ahead).toBe(2)
      yield* queue.transact((db, at) => holdEntry(db, first, { actor: "ada", reason: "look" }, at))
      expect(yield* ahead).toBe(1)
      expect((yield* leased()).entry.id).toBe(second)
      yield* queue.transact((db, at) => releaseEntry(db, first, "ada", at))
      expect((yield* leased()).entry.id).toBe(first)
    }),
  )
})

describe("the schema refuses", () => {
  const cases = {
    "a state there is not": "state = 'lost'",
    "a landing there is not": "landing = 'sideways'",
    "a flag that is no flag": "held = 2",
    "a lease without an owner": "state = 'in_progress'",
    "an owner without an end": "lease_owner = 'w'",
    "an owner of what is not leased": "lease_owner = 'w', leased_until = 1",
    "a time for what is not scheduled": "run_at = 1",
    "a schedule without a time": "state = 'scheduled'",
    "an end that is not said": "state = 'applied'",
    "an end that is not one": "decided = 1",
    "a priority out of range": "priority = 10",
    "no state": "state = NULL",
  }
  for (const [name, change] of Object.entries(cases))
    it.effect(name, () =>
      Effect.gen(function* () {
        const database = yield* Database
        yield* enqueued()
        const error = yield* Effect.flip(database.write((db) => db.run(`UPDATE entry SET ${change}`)))
        expect(error.detail).toContain("constraint failed")
      }),
    )
})
