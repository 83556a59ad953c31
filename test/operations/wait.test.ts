import { describe, expect } from "bun:test"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/TestClock"
import { endOf } from "../../src/cli/actions/wait.ts"
import { type Awaited, type WaitReport, wait } from "../../src/operations/wait.ts"
import { recordingWriter } from "../../src/platform/Output.ts"
import { pauseAfter } from "../../src/queue/pulse.ts"
import { QueueService } from "../../src/queue/QueueService.ts"
import { withLayer } from "../support/effect.ts"
import { aWithdrawal, enqueued, landed, leased, settled } from "../support/queue.ts"
import { awaiting, desk } from "./support.ts"

const it = withLayer(desk())

const waiting = (ids: readonly (number | string)[], target: Awaited = "decided", timeoutMs?: number) =>
  wait({ ids: ids.map(String), for: target, timeoutMs }, () => Effect.void)

/** The exit code a report ends with. */
const exitOf = (report: WaitReport, timeout = "10s") => endOf(recordingWriter().writer, report, timeout)

describe("wait", () => {
  it.effect("ends at once for what is decided already, with the code of what became of it", () =>
    Effect.gen(function* () {
      const done = yield* landed({ taskId: "landed" })
      const conflict = yield* enqueued({ taskId: "conflict" })
      yield* settled(yield* leased(), "conflict")
      const red = yield* enqueued({ taskId: "red" })
      yield* settled(yield* leased(), "failed")
      const person = yield* awaiting({ taskId: "person" })
      const gone = yield* enqueued({ taskId: "gone" })
      yield* (yield* QueueService).withdraw(gone, aWithdrawal())
      const codes: number[] = []
      for (const id of [done, conflict, red, person, gone]) codes.push(exitOf(yield* waiting([id])))
      expect(codes).toEqual([0, 3, 6, 4, 1])
      expect(exitOf(yield* waiting([done, conflict]))).toBe(3)
      expect(exitOf(yield* waiting([red, conflict]))).toBe(1)
      const { entries } = yield* waiting([conflict])
      expect(entries).toMatchObject([{ state: "conflict", reached: false, next: `hyperion why ${conflict}` }])
    }),
  )

  it.effect("hears of each entry as soon as it is decided", () =>
    Effect.gen(function* () {
      const [first, second] = [yield* enqueued({ taskId: "a" }), yield* enqueued({ taskId: "b" })]
      const told: number[] = []
      const fiber = yield* Effect.fork(
        wait({ ids: [String(first), String(second)], for: "decided", timeoutMs: undefined }, (waited) =>
          Effect.sync(() => void told.push(waited.entry_id)),
        ),
      )
      yield* TestClock.adjust(1_000)
      expect(told).toEqual([])
      const leases = [yield* leased(), yield* leased()]
      yield* settled(leases[1]!, "failed")
      yield* TestClock.adjust(3)
      expect(told).toEqual([second])
      yield* settled(leases[0]!, "committing")
      yield* TestClock.adjust(3)
      expect(told).toEqual([second])
      yield* settled(leases[0]!, "applied")
      yield* TestClock.adjust(3)
      const report = yield* Fiber.join(fiber)
      expect(report.entries.map(({ state }) => state)).toEqual(["failed", "applied"])
    }),
  )

  it.effect("for a state: also one that was only passed through, and not one of before", () =>
    Effect.gen(function* () {
      const id = yield* enqueued()
      yield* settled(yield* leased(), "pending")
      const fiber = yield* Effect.fork(waiting([id], "in_progress"))
      yield* TestClock.adjust(1_000)
      expect(fiber.unsafePoll()).toBeNull()
      // Leased and given back between two looks.
      yield* settled(yield* leased(), "pending")
      yield* TestClock.adjust(3)
      expect(yield* Fiber.join(fiber)).toMatchObject({ entries: [{ state: "pending", reached: true }] })
    }),
  )

  it.effect("for applied: goes on through the approval, and ends with what ended otherwise", () =>
    Effect.gen(function* () {
      const id = yield* awaiting()
      const fiber = yield* Effect.fork(waiting([id], "applied"))
      yield* TestClock.adjust(1_000)
      expect(fiber.unsafePoll()).toBeNull()
      yield* (yield* QueueService).withdraw(id, aWithdrawal())
      yield* TestClock.adjust(1_000)
      const report = yield* Fiber.join(fiber)
      expect(report.entries).toMatchObject([{ state: "cancelled", reached: false }])
      expect(exitOf(report)).toBe(1)
    }),
  )

  it.effect("gives up at the deadline and says what is still on its way", () =>
    Effect.gen(function* () {
      const done = yield* landed({ taskId: "landed" })
      const id = yield* enqueued({ taskId: "slow" })
      const fiber = yield* Effect.fork(waiting([done, id], "decided", 2_000))
      yield* TestClock.adjust(1_999)
      expect(fiber.unsafePoll()).toBeNull()
      yield* TestClock.adjust(1)
      const report = yield* Fiber.join(fiber)
      expect(report.entries.map(({ entry_id }) => entry_id)).toEqual([done])
      expect(report.unsettled).toMatchObject([{ entry_id: id, state: "pending" }])
      expect(exitOf(report)).toBe(124)
    }),
  )

  it.effect("an unknown id is an error at once", () =>
    Effect.gen(function* () {
      expect(yield* Effect.either(waiting(["nobody"]))).toMatchObject({ left: { _tag: "UnknownId" } })
    }),
  )

  it.effect("without a bell looks every 3 ms while the queue moves, and seldom when nothing happens", () =>
    Effect.sync(() => {
      expect([0, 499, 500, 5_000, 60_000].map((quiet) => pauseAfter(quiet, false))).toEqual([
        3, 3, 25, 100, 250,
      ])
    }),
  )
})
