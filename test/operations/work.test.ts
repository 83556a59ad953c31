import { afterEach, describe, expect, test } from "bun:test"
import { readdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as v from "valibot"
import { QueueMetrics } from "../../src/domain/records.ts"
import { recordMetrics } from "../../src/operations/metrics.ts"
import { progressLine, work } from "../../src/operations/work.ts"
import { workersFolder } from "../../src/platform/live-workers.ts"
import { payloadBytes } from "../../src/queue/sweep.ts"
import { DAY } from "../support/queue.ts"
import { requestOf } from "../support/workspace.ts"
import { openWorkshop, type Workshop } from "../worker/workshop.ts"

let shop: Workshop
afterEach(async () => {
  await shop.dispose()
  shop.remove()
})

const drained = () => shop.run(work.run({ mode: "drain", runChecks: false, tell: () => Effect.void }))

const report = (): QueueMetrics =>
  v.parse(
    QueueMetrics,
    JSON.parse(readFileSync(join(shop.root, "execution/verification_report.json"), "utf8")),
  )

describe("a worker's run", () => {
  test("ends with a whole verification report, and leaves no trace of itself", async () => {
    shop = await openWorkshop()
    await shop.enqueue([requestOf("one", { "one.txt": "1\n" }), requestOf("two", { "two.txt": "2\n" })])
    expect(await drained()).toMatchObject({ landed: 2 })
    expect(report()).toMatchObject({
      schema_version: 1,
      status_counts: { pending: 0, in_progress: 0, applied: 2, failed: 0 },
      queue_depth: 0,
      throughput_per_minute: 2,
      worker_count: 0,
      avg_dequeue_latency_ms: 0,
    })
    expect(readdirSync(join(shop.root, "execution")).sort()).toEqual([
      "next_task_context.json",
      "verification_report.json",
    ])
    expect(readdirSync(workersFolder(join(shop.root, ".hyperion/hyperion.db")))).toEqual([])
  })

  test("writes the report also when it is stopped", async () => {
    shop = await openWorkshop()
    const fiber = shop.runtime.runFork(
      work.run({ mode: "forever", runChecks: false, tell: () => Effect.void }),
    )
    await shop.enqueue([requestOf("one", { "one.txt": "1\n" })])
    await Effect.runPromise(Fiber.interrupt(fiber))
    expect(report().worker_count).toBe(0)
  })

  test("measures how long it waits between two looks when it is idle", async () => {
    shop = await openWorkshop()
    const fiber = shop.runtime.runFork(
      work.run({ mode: "forever", runChecks: false, tell: () => Effect.void }),
    )
    for (let n = 0; n < 50 && (await shop.run(recordMetrics())).avg_poll_interval_ms === null; n++)
      await shop.pass(1_000)
    await Effect.runPromise(Fiber.interrupt(fiber))
    expect(report().avg_poll_interval_ms).toBe(1_000)
  })

  test("sweeps what the policy no longer keeps", async () => {
    shop = await openWorkshop()
    const [id] = await shop.enqueue([requestOf("one", { "one.txt": "1\n" })])
    await drained()
    await shop.pass(8 * DAY)
    await drained()
    expect(await shop.query((db) => payloadBytes(db, id!))).toBeNull()
    expect(report().last_cleanup_timestamp).toBe(report().timestamp)
    expect(report().stale_applied_rows).toBe(0)
  })

  test("does not stumble over a report that cannot be written", async () => {
    shop = await openWorkshop()
    writeFileSync(join(shop.root, "execution"), "in the way")
    await shop.enqueue([requestOf("one", { "one.txt": "1\n" })])
    expect(await drained()).toMatchObject({ landed: 1 })
  })
})

describe("the progress line", () => {
  test("has every field, and n/a for what is not known", async () => {
    shop = await openWorkshop()
    const metrics = await shop.run(recordMetrics())
    expect(progressLine(metrics, 0)).toBe(
      "[progress] pending=0 in_progress=0 applied=0 failed=0 queue_depth=0 throughput=0/min " +
        "avg_dequeue_latency=n/a avg_apply_duration=n/a avg_poll_interval=n/a " +
        "lease_contention_events=0 lease_delta=0",
    )
    const busy = {
      ...metrics,
      state_counts: { ...metrics.state_counts, in_progress: 2, committing: 1 },
      avg_dequeue_latency_ms: 12.5,
    }
    expect(progressLine(busy, 1)).toContain("avg_dequeue_latency=12.5ms")
    expect(progressLine(busy, 1)).toEndWith("lease_delta=+2")
    expect(progressLine(busy, 5)).toEndWith("lease_delta=-2")
  })

  test("reads the cast builder's state from its file, whatever stands there", async () => {
    shop = await openWorkshop()
    await shop.run(recordMetrics())
    const context = join(shop.root, "execution/next_task_context.json")
    for (const text of ["", "[]", '{"cast_builder":3}', '{"cast_builder":null}']) {
      writeFileSync(context, text)
      expect((await shop.run(recordMetrics())).cast_builder).toBeNull()
    }
    writeFileSync(context, '{"cast_builder":{"request_id":"CAST-1","status":"exported","exported_at":5}}')
    expect((await shop.run(recordMetrics())).cast_builder).toEqual({
      request_id: "CAST-1",
      status: "exported",
      exported_at: 5,
    })
  })
})
