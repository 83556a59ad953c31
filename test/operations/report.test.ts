import { describe, expect } from "bun:test"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/TestClock"
import { markdown } from "../../src/cli/actions/report.ts"
import { reportText } from "../../src/cli/actions/report-text.ts"
import { toTimestamp } from "../../src/domain/time.ts"
import { report } from "../../src/operations/report.ts"
import { pieceText } from "../../src/platform/Terminal.ts"
import { QueueService } from "../../src/queue/QueueService.ts"
import { busyFriday } from "../support/busy-friday.ts"
import { START, withLayer } from "../support/effect.ts"
import {
  aDecision,
  anItem,
  aWithdrawal,
  ENQUEUE,
  enqueued,
  HOUR,
  landed,
  leased,
  queueInMemory,
  settled,
} from "../support/queue.ts"
import { desk } from "./support.ts"

const it = withLayer(queueInMemory)

/** A day's work: something of everything. */
const day = Effect.gen(function* () {
  const queue = yield* QueueService
  yield* landed({ taskId: "yesterday" })
  yield* TestClock.adjust(2 * HOUR)
  const one = yield* enqueued({ taskId: "one", agent: "copilot" })
  yield* TestClock.adjust(90_000)
  const lease = yield* leased()
  yield* settled(lease, "committing")
  yield* settled(lease, "applied")
  const failed = yield* enqueued({ taskId: "failed", agent: "codex" })
  yield* settled(yield* leased(), "failed")
  const conflict = yield* enqueued({ taskId: "conflict", agent: "codex" })
  yield* settled(yield* leased(), "conflict")
  const cancelled = yield* enqueued({ taskId: "cancelled" })
  yield* queue.withdraw(cancelled, aWithdrawal())
  const waiting = yield* enqueued({ taskId: "waiting" })
  yield* queue.enqueue([anItem({ taskId: "waiting" })], ENQUEUE)
  yield* queue.approve({ entryId: waiting }, aDecision({ approver: "grace" }), false)
  return { one, failed, conflict, cancelled, waiting }
})

describe("the report", () => {
  it.effect("says what landed, what did not, and who decided, since a moment", () =>
    Effect.gen(function* () {
      const { one, failed, conflict, cancelled, waiting } = yield* day
      const made = yield* report(START + HOUR, 100)
      expect(made).toMatchObject({
        since: toTimestamp(START + HOUR),
        complete: true,
        totals: {
          enqueued: 5,
          duplicates: 1,
          landed: 1,
          failed: 1,
          conflicts: 1,
          cancelled: 1,
          approvals: 1,
          rejections: 0,
          mean_ms_to_land: 90_000,
        },
        landed: [{ entry_id: one, agent: "copilot", task_id: "one", took_ms: 90_000 }],
        not_landed: [
          { entry_id: failed, outcome: "failed" },
          { entry_id: conflict, outcome: "conflict" },
          { entry_id: cancelled, outcome: "cancelled", reason: "not needed any more" },
        ],
        decisions: [{ entry_id: waiting, decision: "approved", by: "grace" }],
        by_agent: { codex: { landed: 0, failed: 1, conflicts: 1 }, copilot: { landed: 1 } },
      })
      expect((yield* report(START - 1, 100)).totals.landed).toBe(2)
    }),
  )

  it.effect("counts an entry that was requeued and landed as landed", () =>
    Effect.gen(function* () {
      const queue = yield* QueueService
      const id = yield* enqueued()
      yield* settled(yield* leased(), "failed")
      yield* queue.requeue(id, "again", "ada")
      const lease = yield* leased()
      yield* settled(lease, "committing")
      yield* settled(lease, "applied")
      const { totals, not_landed } = yield* report(START - 1, 100)
      expect([totals.landed, totals.failed, totals.requeued, not_landed.length]).toEqual([1, 0, 1, 0])
    }),
  )

  it.effect("is the same for the same queue and clock, and says when lists were cut", () =>
    Effect.gen(function* () {
      for (const taskId of ["a", "b", "c"]) yield* landed({ taskId })
      expect(JSON.stringify(yield* report(START - 1, 2))).toBe(JSON.stringify(yield* report(START - 1, 2)))
      const cut = yield* report(START - 1, 2)
      expect([cut.landed.length, cut.totals.landed, cut.complete]).toEqual([2, 3, false])
      expect(markdown(cut)).toContain("--limit N")
    }),
  )

  it.effect("as Markdown is a table that agents' words cannot break out of", () =>
    Effect.gen(function* () {
      const queue = yield* QueueService
      const id = yield* enqueued({ taskId: "x", agent: "evil|<b>" })
      yield* queue.withdraw(id, aWithdrawal({ text: "a | b\n| c |\u001b[31m [x](http://e.org)" }))
      const text = markdown(yield* report(START - 1, 100))
      const rows = text.split("\n").filter((line) => line.startsWith("| "))
      const cells = (line: string) => line.replaceAll("\\|", "").split("|").length
      expect(rows.length).toBeGreaterThan(2)
      for (const line of rows) expect([5 + 1, 12, 8, 7]).toContain(cells(line))
      expect(text).not.toContain("\u001b")
      expect(text).toContain("\\<b\\>")
      expect(text).toContain("Nobody had to decide.")
    }),
  )

  it.effect("of nothing says so", () =>
    Effect.gen(function* () {
      const text = markdown(yield* report(START - 1, 100))
      expect(text).toContain("Nothing landed.")
      expect(text).toContain("0 landed, 0 failed")
    }),
  )
})

describe("on a screen", () => {
  withLayer(desk({ policy: { guards: [{ id: "unit", command: "true" }] } })).effect(
    "a busy Friday fits, cut lists say how much more there is and where",
    () =>
      Effect.gen(function* () {
        yield* busyFriday()
        const made = yield* report(START - 1, 1_000)
        for (const columns of [80, 120]) {
          const lines = reportText(made, columns).map(pieceText).join("").split("\n")
          expect(lines.length).toBeLessThan(45)
          expect(lines.filter((line) => Bun.stringWidth(line) > columns)).toEqual([])
          expect(lines).toContain("not landed 12  2 more: hyperion report --format md")
          expect(lines).toContain("landed 20  10 more: hyperion report --format md")
        }
      }),
  )
})
