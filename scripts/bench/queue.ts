/**
 * The queue against bare prepared statements that make the same writes (no hashing, no checks) and against plainjob
 * (no log, no fence, no deduplication), all on files with synchronous=NORMAL, as JSON. They take turns in one run, so
 * that a busy machine disturbs them alike: ratios count; above 1 the queue is the faster one.
 *
 * `cycle`: enqueue, lease, and all transitions to the landing in three transactions, five rows of the log, 1 KB of
 * payload. `fused`: the same with each landing and the next lease in one transaction, against the same three. `path`:
 * what a worker does, four transactions. `batch`: 50 at a time in three. `--cycles N` (1500), `--backlog N` (100000).
 */
import { Database as Sqlite } from "bun:sqlite"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { parseArgs } from "node:util"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as ManagedRuntime from "effect/ManagedRuntime"
import { bun, defineQueue } from "plainjob"
import { AuditService } from "../../src/audit/AuditService.ts"
import { Database } from "../../src/platform/Database.ts"
import type { EnqueueItem } from "../../src/queue/enqueue.ts"
import type { Lease } from "../../src/queue/lease.ts"
import { QueueService } from "../../src/queue/QueueService.ts"
import { anItem, ENQUEUE, settlement } from "../../test/support/queue.ts"
import { rawQueue } from "./queue-raw.ts"

const { values } = parseArgs({
  options: { cycles: { type: "string", default: "1500" }, backlog: { type: "string", default: "100000" } },
})
const cycles = Number(values.cycles)
const backlog = Number(values.backlog)
const folder = mkdtempSync(join(tmpdir(), "hyperion-bench-queue-"))
const LEASE_MS = 300_000

const item = (n: number): EnqueueItem =>
  anItem({
    taskId: `task-${n}`,
    agent: `agent-${n % 4}`,
    content: `${n}\n${"x".repeat(700)}`,
    at: Date.now(),
  })

const queueOn = async (name: string) => {
  const stages = Layer.merge(QueueService.layer, AuditService.layer)
  const layer = Layer.provideMerge(stages, Database.layer({ file: join(folder, `${name}.db`), create: true }))
  const runtime = ManagedRuntime.make(layer)
  const queue = await runtime.runPromise(QueueService)
  const audit = await runtime.runPromise(AuditService)
  const run = <A, E>(effect: Effect.Effect<A, E>): A => Effect.runSync(effect)
  return { queue, audit, run, close: () => runtime.dispose() }
}

const rawOn = async (name: string) => {
  await (await queueOn(name)).close()
  return rawQueue(join(folder, `${name}.db`))
}

const plainOn = (name: string) => {
  const db = new Sqlite(join(folder, `${name}.db`), { strict: true })
  const silent = { error: () => {}, warn: () => {}, info: () => {}, debug: () => {} }
  const queue = defineQueue({ connection: bun(db), logger: silent })
  const text = ({ cast }: EnqueueItem) => cast
  const work = () => {
    const job = queue.getAndMarkJobAsProcessing("cast")
    if (job === undefined) throw new Error("plainjob has lost a job")
    queue.markJobAsDone(job.id)
  }
  return {
    cycle: (one: EnqueueItem) => {
      queue.add("cast", text(one))
      work()
    },
    batch: (items: readonly EnqueueItem[]) => {
      queue.addMany("cast", items.map(text))
      for (const _ of items) work()
    },
    // Its connection as well, and the timer of its maintenance.
    close: () => queue.close(),
  }
}

/** Microseconds that `body` took. */
const timed = (body: () => unknown): number => {
  const start = Bun.nanoseconds()
  body()
  return (Bun.nanoseconds() - start) / 1_000
}
const at = (sorted: readonly number[], share: number) =>
  Math.round((sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0) * 10) / 10
const summary = (micros: readonly number[]) => {
  const sorted = [...micros].sort((a, b) => a - b)
  return { p50_us: at(sorted, 0.5), p99_us: at(sorted, 0.99) }
}
/** How many times as fast as `base`: above 1 is faster. */
const speed = (base: number, other: number) => Math.round((base / other) * 100) / 100

const landed = (leases: readonly Lease[]) => [
  ...leases.map((lease) => settlement(lease, "committing")),
  ...leases.map((lease) => settlement(lease, "applied")),
]

/** Rounds of all contenders in turn; the first ones, which compile, are not counted. */
const duel = <N extends string>(
  rounds: number,
  warmUp: number,
  contenders: Readonly<Record<N, (items: readonly EnqueueItem[]) => unknown>>,
  itemsOf: (round: number) => readonly EnqueueItem[],
) => {
  const names = Object.keys(contenders) as N[]
  const micros = Object.fromEntries(names.map((name) => [name, [] as number[]])) as Record<N, number[]>
  for (let round = 0; round < rounds + warmUp; round++) {
    const items = itemsOf(round)
    for (const name of names) {
      const took = timed(() => contenders[name](items))
      if (round >= warmUp) micros[name].push(took)
    }
  }
  return Object.fromEntries(names.map((name) => [name, summary(micros[name])])) as Record<
    N,
    ReturnType<typeof summary>
  >
}

const cycleBench = async () => {
  const [whole, fused, path] = [await queueOn("cycle"), await queueOn("fused"), await queueOn("path")]
  const [raw, rawPath, plain] = [await rawOn("cycle-raw"), await rawOn("path-raw"), plainOn("cycle-plain")]
  // The entry that the fused one leased with its last landing.
  let next: readonly Lease[] = []
  const program = ({ queue }: typeof whole, one: EnqueueItem) =>
    Effect.gen(function* () {
      yield* queue.enqueue([one], ENQUEUE)
      yield* queue.settle(landed(yield* queue.lease("worker-1", LEASE_MS, 1)))
    })
  const result = duel(
    cycles,
    200,
    {
      queue: ([one]) => whole.run(program(whole, one!)),
      raw: ([one]) => raw.cycle(one!),
      fused: ([one]) =>
        fused.run(
          Effect.gen(function* () {
            yield* fused.queue.enqueue([one!], ENQUEUE)
            const follow = { worker: "worker-1", leaseMs: LEASE_MS, limit: 1 }
            next = (yield* fused.queue.settleAndLease(landed(next), follow)).leases
          }),
        ),
      plainjob: ([one]) => plain.cycle(one!),
      path: ([one]) =>
        path.run(
          Effect.gen(function* () {
            yield* path.queue.enqueue([one!], ENQUEUE)
            const leases = yield* path.queue.lease("worker-1", LEASE_MS, 1)
            yield* path.queue.settle(leases.map((lease) => settlement(lease, "committing")))
            yield* path.queue.settle(leases.map((lease) => settlement(lease, "applied")))
          }),
        ),
      raw_path: ([one]) => rawPath.path(one!),
    },
    (round) => [item(round)],
  )
  const start = Bun.nanoseconds()
  const report = whole.run(whole.audit.verify())
  const seconds = (Bun.nanoseconds() - start) / 1e9
  if (report.fault) throw new Error(report.fault.message)
  for (const one of [raw, rawPath, plain]) one.close()
  for (const one of [whole, fused, path]) await one.close()
  const { queue, raw: base, plainjob } = result
  return {
    cycle: {
      ...result,
      x_raw: speed(base.p50_us, queue.p50_us),
      x_plainjob: speed(plainjob.p50_us, queue.p50_us),
      fused_x_raw: speed(base.p50_us, result.fused.p50_us),
      fused_x_plainjob: speed(plainjob.p50_us, result.fused.p50_us),
      path_x_raw: speed(result.raw_path.p50_us, result.path.p50_us),
    },
    audit_verify: { rows: report.rows, rows_per_second: Math.round(report.rows / seconds) },
  }
}

const BATCH = 50

const batchBench = async () => {
  const ours = await queueOn("batch")
  const [raw, plain] = [await rawOn("batch-raw"), plainOn("batch-plain")]
  const result = duel(
    Math.ceil(cycles / BATCH),
    5,
    {
      queue: (items) =>
        ours.run(
          Effect.gen(function* () {
            yield* ours.queue.enqueue(items, ENQUEUE)
            yield* ours.queue.settle(landed(yield* ours.queue.lease("worker-1", LEASE_MS, BATCH)))
          }),
        ),
      raw: (items) => raw.batch(items),
      plainjob: (items) => plain.batch(items),
    },
    (round) => Array.from({ length: BATCH }, (_, n) => item(round * BATCH + n)),
  )
  raw.close()
  plain.close()
  await ours.close()
  const { queue, raw: base, plainjob } = result
  return {
    ...result,
    x_raw: speed(base.p50_us, queue.p50_us),
    x_plainjob: speed(plainjob.p50_us, queue.p50_us),
  }
}

const leaseBench = async () => {
  const { queue, run, close } = await queueOn("lease")
  const bench = () =>
    summary(
      Array.from({ length: 400 }, () => timed(() => run(queue.lease("worker-1", LEASE_MS, 1)))).slice(100),
    )
  const fill = (from: number, to: number) => {
    for (let n = from; n < to; n += 1_000)
      run(
        queue.enqueue(
          Array.from({ length: 1_000 }, (_, offset) => item(n + offset)),
          { ...ENQUEUE, maxDepth: 1e9 },
        ),
      )
  }
  fill(0, 1_000)
  const few = bench()
  fill(1_000, backlog)
  const many = bench()
  await close()
  return {
    pending_1000: few,
    [`pending_${backlog}`]: many,
    x_1000_p50: Math.round((many.p50_us / few.p50_us) * 100) / 100,
  }
}

try {
  const result = {
    bench: "queue",
    durability: "WAL, synchronous=NORMAL",
    ...(await cycleBench()),
    batch_50: await batchBench(),
    lease: await leaseBench(),
  }
  console.log(JSON.stringify(result, null, 2))
} finally {
  rmSync(folder, { recursive: true, force: true })
}
