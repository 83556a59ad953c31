/**
 * The queue against bare prepared statements that make the same writes (no hashing, no checks) and against plainjob
 * (no log, no fence, no deduplication), all on files with synchronous=NORMAL, as JSON. They take turns in one run, so
 * that a busy machine disturbs them alike: ratios count; above 1 the queue is the faster one.
 *
 * `cycle`: enqueue, lease, acknowledge: three transitions in three transactions with a row of the log each, 1 KB of
 * payload. The acknowledgement is `verified`: the proof is stored and the lease given up, the end of the way in mode
 * preview. `fused`: the same with each acknowledgement and the next lease in one transaction, against the same three.
 * `path`: all five transitions to `applied` with receipt, as a worker does them in four transactions; plainjob's `path`
 * is its three writes. Who leases reads the payload: plainjob by `getJobById`, as its own worker does. `batch_50`: the
 * same with 50 at a time. `wal_frames`: pages written to the log of SQLite for one cycle and one path, a count.
 * `--cycles N` (1500), `--backlog N` (100000), `--no-lease`.
 */
import { Database as Sqlite } from "bun:sqlite"
import { mkdtempSync, rmSync, statSync } from "node:fs"
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
  options: {
    cycles: { type: "string", default: "1500" },
    backlog: { type: "string", default: "100000" },
    "no-lease": { type: "boolean", default: false },
  },
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
    const found = job && queue.getJobById(job.id)
    if (!found) throw new Error("plainjob has lost a job")
    JSON.parse(found.data)
    queue.markJobAsDone(found.id)
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
  const mean = Math.round((micros.reduce((sum, one) => sum + one, 0) / micros.length) * 10) / 10
  return { p50_us: at(sorted, 0.5), p99_us: at(sorted, 0.99), mean_us: mean }
}
/** How many times as fast as `base`: above 1 is faster. */
const speed = (base: number, other: number) => Math.round((base / other) * 100) / 100

const committing = (leases: readonly Lease[]) => leases.map((lease) => settlement(lease, "committing"))
const applied = (leases: readonly Lease[]) => leases.map((lease) => settlement(lease, "applied"))
const verified = (leases: readonly Lease[]) => leases.map((lease) => settlement(lease, "verified"))

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

type Ours = Awaited<ReturnType<typeof queueOn>>

const cycleOf = ({ queue }: Ours, items: readonly EnqueueItem[]) =>
  Effect.gen(function* () {
    yield* queue.enqueue(items, ENQUEUE)
    yield* queue.settle(verified(yield* queue.lease("worker-1", LEASE_MS, items.length)))
  })

const pathOf = ({ queue }: Ours, items: readonly EnqueueItem[]) =>
  Effect.gen(function* () {
    yield* queue.enqueue(items, ENQUEUE)
    const leases = yield* queue.lease("worker-1", LEASE_MS, items.length)
    yield* queue.settle(committing(leases))
    yield* queue.settle(applied(leases))
  })

const cycleBench = async () => {
  const [whole, fused, path] = [await queueOn("cycle"), await queueOn("fused"), await queueOn("path")]
  const [raw, rawPath, plain] = [await rawOn("cycle-raw"), await rawOn("path-raw"), plainOn("cycle-plain")]
  // The entry that the fused one leased with its last acknowledgement.
  let next: readonly Lease[] = []
  const result = duel(
    cycles,
    200,
    {
      queue: (items) => whole.run(cycleOf(whole, items)),
      raw: (items) => raw.cycle(items),
      fused: (items) =>
        fused.run(
          Effect.gen(function* () {
            yield* fused.queue.enqueue(items, ENQUEUE)
            const follow = { worker: "worker-1", leaseMs: LEASE_MS, limit: 1 }
            next = (yield* fused.queue.settleAndLease(verified(next), follow)).leases
          }),
        ),
      plainjob: ([one]) => plain.cycle(one!),
      path: (items) => path.run(pathOf(path, items)),
      raw_path: (items) => rawPath.path(items),
    },
    (round) => [item(round)],
  )
  const start = Bun.nanoseconds()
  const report = path.run(path.audit.verify())
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
      raw_x_plainjob: speed(plainjob.p50_us, base.p50_us),
      path_x_raw: speed(result.raw_path.p50_us, result.path.p50_us),
      path_x_plainjob: speed(plainjob.p50_us, result.path.p50_us),
    },
    audit_verify: { rows: report.rows, rows_per_second: Math.round(report.rows / seconds) },
  }
}

const BATCH = 50

const batchBench = async () => {
  const [ours, path] = [await queueOn("batch"), await queueOn("batch-path")]
  const [raw, rawPath, plain] = [
    await rawOn("batch-raw"),
    await rawOn("batch-raw-path"),
    plainOn("batch-plain"),
  ]
  const result = duel(
    Math.ceil(cycles / BATCH),
    5,
    {
      queue: (items) => ours.run(cycleOf(ours, items)),
      raw: (items) => raw.cycle(items),
      plainjob: (items) => plain.batch(items),
      path: (items) => path.run(pathOf(path, items)),
      raw_path: (items) => rawPath.path(items),
    },
    (round) => Array.from({ length: BATCH }, (_, n) => item(round * BATCH + n)),
  )
  for (const one of [raw, rawPath, plain]) one.close()
  for (const one of [ours, path]) await one.close()
  const { queue, raw: base, plainjob } = result
  return {
    ...result,
    x_raw: speed(base.p50_us, queue.p50_us),
    x_plainjob: speed(plainjob.p50_us, queue.p50_us),
    raw_x_plainjob: speed(plainjob.p50_us, base.p50_us),
    path_x_raw: speed(result.raw_path.p50_us, result.path.p50_us),
    path_x_plainjob: speed(plainjob.p50_us, result.path.p50_us),
  }
}

/** Frames of the write-ahead log for one round, the mean of 200 on a queue that is 500 entries old. */
const framesOf = async (name: string, program: typeof cycleOf) => {
  const ours = await queueOn(name)
  const checkpoint = ours.queue.read((db) => db.run("PRAGMA wal_checkpoint(TRUNCATE)"))
  ours.run(ours.queue.read((db) => db.run("PRAGMA wal_autocheckpoint = 0")))
  for (let n = 0; n < 500; n++) ours.run(program(ours, [item(n)]))
  ours.run(checkpoint)
  for (let n = 500; n < 700; n++) ours.run(program(ours, [item(n)]))
  const bytes = statSync(join(folder, `${name}.db-wal`)).size
  await ours.close()
  // 32 bytes before the first, then 24 and a page each.
  return Math.round(((bytes - 32) / 4_120 / 200) * 10) / 10
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
    wal_frames: {
      cycle: await framesOf("frames-cycle", cycleOf),
      path: await framesOf("frames-path", pathOf),
    },
    ...(!values["no-lease"] && { lease: await leaseBench() }),
  }
  console.log(JSON.stringify(result, null, 2))
} finally {
  rmSync(folder, { recursive: true, force: true })
}
