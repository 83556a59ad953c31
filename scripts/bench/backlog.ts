import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as ManagedRuntime from "effect/ManagedRuntime"
import { Database } from "../../src/platform/Database.ts"
import { QueueService } from "../../src/queue/QueueService.ts"
import { TelemetryService } from "../../src/telemetry/TelemetryService.ts"
import { anItem, ENQUEUE, LEASE_MS, settlement } from "../../test/support/queue.ts"

const CHUNK = 1_000

/** The queue on a file, in this process, with what fills it through its own door. */
export const openQueue = async (file: string) => {
  const stages = Layer.merge(QueueService.layer, TelemetryService.layer)
  const runtime = ManagedRuntime.make(Layer.provideMerge(stages, Database.layer({ file, create: true })))
  const queue = await runtime.runPromise(QueueService)
  const telemetry = await runtime.runPromise(TelemetryService)
  const run = <A, E>(effect: Effect.Effect<A, E>): A => Effect.runSync(effect)
  let made = 0
  const enqueue = (count: number): void => {
    const items = Array.from({ length: count }, () =>
      anItem({ taskId: `task-${made}`, path: `f${made++}.txt`, agent: `agent-${made % 4}`, at: Date.now() }),
    )
    run(queue.enqueue(items, { ...ENQUEUE, maxDepth: 1e9 }))
  }
  /** In steps, so that no transaction is larger than a busy queue's. */
  const inSteps = (count: number, step: (count: number) => void): void => {
    for (let left = count; left > 0; left -= CHUNK) step(Math.min(CHUNK, left))
  }
  return {
    queue,
    telemetry,
    run,
    pending: (count: number): void => inSteps(count, enqueue),
    /** Enqueued, leased, proven and landed, with receipts and every row of the log. */
    landed: (count: number): void =>
      inSteps(count, (some) => {
        enqueue(some)
        const leases = run(queue.lease("worker-1", LEASE_MS, some))
        for (const to of ["committing", "applied"] as const)
          run(queue.settle(leases.map((lease) => settlement(lease, to))))
      }),
    close: () => runtime.dispose(),
  }
}

export const rounded = (value: number, digits = 2): number => Number(value.toFixed(digits))
