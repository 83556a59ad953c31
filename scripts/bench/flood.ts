/**
 * What a flooding agent does to the others, as JSON. Eight agents send entries to one queue, a worker takes one entry a
 * step, and the clock is a test's. Each agent sends one entry every ten steps; one of them sends 500 more at the
 * beginning. Latencies are from enqueue to lease, in steps: a matter of order, the same on every machine. Steps of 1, 5,
 * 10, 20 and 60 s, since the order reckons with a minute for each entry of an agent that has several waiting.
 */
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as TestClock from "effect/TestClock"
import { Database } from "../../src/platform/Database.ts"
import { QueueService } from "../../src/queue/QueueService.ts"
import { runTest, START } from "../../test/support/effect.ts"
import { anItem, ENQUEUE, settlement } from "../../test/support/queue.ts"

const EVERY = 10
const FLOOD = 500
const STEPS = 400
const AGENTS = 8
const FLOODER = 0

const at = (sorted: readonly number[], share: number) =>
  sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0

/** Steps that the other agents' entries waited. */
const latencies = (folder: string, stepMs: number, extra: number) =>
  runTest(
    Layer.provideMerge(
      QueueService.layer,
      Database.layer({ file: join(folder, `${stepMs}-${extra}.db`), create: true }),
    ),
    Effect.gen(function* () {
      const queue = yield* QueueService
      const sent = new Map<number, number>()
      const waited: number[] = []
      let serial = 0
      const send = Effect.fnUntraced(function* (agent: number, step: number) {
        const time = START + step * stepMs
        const taskId = `task-${serial++}`
        const item = anItem({ taskId, agent: `agent-${agent}`, content: `${taskId}\n`, at: time })
        const [outcome] = yield* queue.enqueue([item], ENQUEUE)
        if (outcome?.outcome === "queued" && agent !== FLOODER) sent.set(outcome.entryId, step)
      })
      for (let n = 0; n < extra; n++) yield* send(FLOODER, 0)
      for (let step = 0; step < STEPS; step++) {
        for (let agent = 0; agent < AGENTS; agent++)
          if ((step + agent) % EVERY === 0) yield* send(agent, step)
        const leases = yield* queue.lease("worker-1", 300_000, 1)
        for (const { entry } of leases) if (sent.has(entry.id)) waited.push(step - sent.get(entry.id)!)
        yield* queue.settle([
          ...leases.map((lease) => settlement(lease, "committing")),
          ...leases.map((lease) => settlement(lease, "applied")),
        ])
        yield* TestClock.adjust(stepMs)
      }
      waited.sort((a, b) => a - b)
      return { taken: waited.length, of: sent.size, p50_steps: at(waited, 0.5), p95_steps: at(waited, 0.95) }
    }),
  )

const folder = mkdtempSync(join(tmpdir(), "hyperion-bench-flood-"))
try {
  const result: Record<string, unknown> = { bench: "flood", agents: AGENTS, flood: FLOOD }
  for (const seconds of [1, 5, 10, 20, 60]) {
    const calm = await latencies(folder, seconds * 1_000, 0)
    const flooded = await latencies(folder, seconds * 1_000, FLOOD)
    // The step in which an entry is taken counts: nobody waits for nothing.
    const ratio = (flooded.p95_steps + 1) / (calm.p95_steps + 1)
    result[`entry_takes_${seconds}_s`] = { calm, flooded, x_p95: Math.round(ratio * 100) / 100 }
  }
  console.log(JSON.stringify(result, null, 2))
} finally {
  rmSync(folder, { recursive: true, force: true })
}
