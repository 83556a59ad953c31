/**
 * A process of a test: enqueues COUNT casts as agent NAME into the database FILE and works until the whole queue is
 * decided. Every line on stdout is written after the queue has acknowledged what it says.
 */
import { writeSync } from "node:fs"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Database } from "../../src/platform/Database.ts"
import { QueueService } from "../../src/queue/QueueService.ts"
import { depth } from "../../src/queue/read.ts"
import { providing } from "../support/effect.ts"
import { anItem, ENQUEUE, settlement } from "../support/queue.ts"

const [file, name, count, leaseMs] = process.argv.slice(2)
const say = (...words: (string | number)[]) => writeSync(1, `${words.join(" ")}\n`)

const work = Effect.gen(function* () {
  const queue = yield* QueueService
  const worker = `worker-${name}`
  let left = Number(count)
  for (;;) {
    if (left > 0) {
      const at = yield* Clock.currentTimeMillis
      const taskId = `${name}-${left--}`
      const [outcome] = yield* queue.enqueue([anItem({ taskId, agent: name!, at })], ENQUEUE)
      if (outcome?.outcome === "queued") say("enqueued", outcome.entryId, taskId)
    }
    yield* queue.maintain()
    const leases = yield* queue.lease(worker, Number(leaseMs), 2)
    for (const { entry, token } of leases) say("leased", entry.id, token)
    const held = (lost: readonly number[]) => leases.filter((lease) => !lost.includes(lease.entry.id))
    const begun = held((yield* queue.settle(leases.map((lease) => settlement(lease, "committing")))).lost)
    const { lost } = yield* queue.settle(begun.map((lease) => settlement(lease, "applied")))
    for (const { entry } of begun) if (!lost.includes(entry.id)) say("applied", entry.id)
    if (leases.length === 0) {
      const counts = yield* queue.counts()
      // What a killed process left in the middle of its landing is for recovery to decide, not for the queue.
      if (left === 0 && depth(counts) === counts.committing) return
      yield* Effect.sleep(2)
    }
  }
})

const layer = Layer.provideMerge(QueueService.layer, Database.layer({ file: file!, create: true }))
await Effect.runPromise(
  Effect.flatMap(Layer.toRuntime(layer), (runtime) => work.pipe(providing(runtime))).pipe(Effect.scoped),
)
