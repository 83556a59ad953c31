import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { Operator } from "../platform/Operator.ts"
import { freezeOf, freezeText } from "../queue/freeze.ts"
import { QueueService } from "../queue/QueueService.ts"
import { depth } from "../queue/read.ts"
import { runWorker, type WorkerOptions } from "../worker/run.ts"

const PROGRESS_MS = 5_000

/** Runs a worker in this process under a name of its own. */
const run = Effect.fn("operations.work")(function* (options: Omit<WorkerOptions, "worker" | "limit">) {
  const { processId } = yield* Operator
  return yield* runWorker({
    ...options,
    worker: `worker-${processId}`,
    ...(options.mode === "once" && { limit: 1 }),
  })
})

/** Why no landing begins, as one line; null while they do. */
const frozen = Effect.flatMap(QueueService, (queue) =>
  queue.read((db) => {
    const freeze = freezeOf(db)
    return freeze && freezeText(freeze)
  }),
)

/** Every five seconds one line of where the queue stands, until interrupted; a freeze as soon as it is seen. */
const progress = (write: (line: string) => void) =>
  Effect.gen(function* () {
    const queue = yield* QueueService
    let before = { at: yield* Clock.currentTimeMillis, applied: (yield* queue.counts()).applied }
    let told: string | null = null
    for (;;) {
      const now = yield* frozen
      if (now !== told) write(now === null ? "[thawed] landings begin again" : `[frozen] ${now}`)
      told = now
      yield* Effect.sleep(PROGRESS_MS)
      const counts = yield* queue.counts()
      const at = yield* Clock.currentTimeMillis
      const perMinute = ((counts.applied - before.applied) * 60_000) / Math.max(1, at - before.at)
      before = { at, applied: counts.applied }
      write(
        `[progress] pending=${counts.pending + counts.scheduled} in_progress=${counts.in_progress + counts.committing}` +
          ` applied=${counts.applied} failed=${counts.failed} queue_depth=${depth(counts)}` +
          ` throughput=${perMinute.toFixed(1)}/min`,
      )
    }
  })

/** What is still in the queue, for the last line of a run: `2 awaiting approval`. Empty when nothing is. */
const standing = Effect.map(
  Effect.flatMap(QueueService, (queue) => queue.counts()),
  (counts) =>
    (["scheduled", "pending", "in_progress", "verified", "awaiting_approval", "committing"] as const)
      .filter((state) => counts[state] > 0)
      .map((state) => `${counts[state]} ${state.replaceAll("_", " ")}`),
)

export const work = { run, progress, standing, frozen }
