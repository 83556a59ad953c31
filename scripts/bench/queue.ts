/**
 * The queue against bare prepared statements that make the same writes (no hashing, no checks), both on a file with
 * synchronous=NORMAL, as JSON. They take turns in one run, so that a busy machine disturbs them alike: ratios count.
 * A cycle is enqueue, lease, committing, applied: four commits, five audit rows, 1 KB of payload.
 * `--cycles N` (1500), `--backlog N` (100000).
 */
import { Database as Sqlite } from "bun:sqlite"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { parseArgs } from "node:util"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as ManagedRuntime from "effect/ManagedRuntime"
import { AuditService } from "../../src/audit/AuditService.ts"
import { Database } from "../../src/platform/Database.ts"
import type { EnqueueItem } from "../../src/queue/enqueue.ts"
import { QueueService } from "../../src/queue/QueueService.ts"
import * as sql from "../../src/queue/queue.sql.ts"
import { anItem, ENQUEUE, settlement } from "../../test/support/queue.ts"

const { values } = parseArgs({
  options: { cycles: { type: "string", default: "1500" }, backlog: { type: "string", default: "100000" } },
})
const cycles = Number(values.cycles)
const backlog = Number(values.backlog)
const folder = mkdtempSync(join(tmpdir(), "hyperion-bench-queue-"))
const LEASE_MS = 300_000
const HASH = "0".repeat(64)
const COUNTS = "0,0,0,0,0,0,0,0,0,0"

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

/** The same rows by hand, on a schema the queue made. */
const rawOn = (name: string) => {
  const db = new Sqlite(join(folder, `${name}.db`))
  for (const pragma of ["busy_timeout = 5000", "synchronous = NORMAL", "foreign_keys = ON"])
    db.run(`PRAGMA ${pragma}`)
  const statement = (text: string) => db.prepare(text)
  const insertEntry = statement(sql.INSERT_ENTRY)
  const insertPayload = statement(sql.INSERT_PAYLOAD)
  const setClock = statement(sql.SET_AGENT_CLOCK)
  const ready = statement(sql.READY)
  const payload = statement(sql.PAYLOAD_BY_ID)
  const lease = statement(sql.LEASE)
  const move = statement(sql.MOVE)
  const decide = statement(sql.MOVE_AND_DECIDE)
  const verification = statement(sql.PUT_VERIFICATION)
  const dropVerification = statement(sql.DROP_VERIFICATION)
  const receipt = statement(sql.PUT_RECEIPT)
  const audit = statement("INSERT INTO audit VALUES (?, ?, ?, ?, ?, NULL, ?, ?, ?, ?)")
  let seq = 0
  const log = (event: string, id: number | null, data: string) =>
    audit.run(++seq, Date.now(), event, id, id === null ? null : seq - 1, "worker-1", data, COUNTS, HASH)
  const begin = statement("BEGIN IMMEDIATE")
  const commit = statement("COMMIT")
  const transaction = <A>(body: () => A): A => {
    begin.run()
    const value = body()
    commit.run()
    return value
  }
  const enqueue = ({ cast, priority }: EnqueueItem, body: string) => {
    const at = Date.now()
    const { id } = insertEntry.get(
      cast.cast_id,
      cast.checksum,
      cast.request_id,
      cast.task_id,
      cast.agent_id,
      cast.checksum,
      1,
      priority,
      at,
      0,
      "independent",
      5,
      at + 604_800_000,
      at,
      null,
      seq + 1,
    ) as { id: number }
    insertPayload.run(id, body)
    setClock.run(cast.agent_id, priority, at, id)
    log("enqueued", id, `{"checksum":"${cast.checksum}","task_id":"${cast.task_id}","body":"${HASH}"}`)
    return id
  }
  const take = () => {
    const row = ready.get(1) as sql.EntryRow
    const at = Date.now()
    lease.get(row.id, "worker-1", at + LEASE_MS, at, seq + 1)
    log("leased", row.id, '{"token":1,"attempt":1,"until":1772366400000}')
    JSON.parse((payload.get(row.id) as { body: string }).body)
    return row.id
  }
  const step = (how: typeof move, id: number, to: string, from: string, owner: string | null) => {
    const at = Date.now()
    how.run(id, to, from, 1, owner, owner && at + LEASE_MS, null, at, null, null, 1, 1, seq + 1)
    log(to, id, `{"result_tree":"4b825dc642cb6eb9a060e54bf8d69288fbee4904","digest":"${HASH}"}`)
  }
  return {
    enqueue: (items: readonly EnqueueItem[]) =>
      transaction(() => items.map((one) => enqueue(one, JSON.stringify(one.cast)))),
    lease: () => transaction(take),
    cycle: (one: EnqueueItem) => {
      transaction(() => enqueue(one, JSON.stringify(one.cast)))
      const id = transaction(take)
      transaction(() => {
        step(move, id, "verified", "in_progress", null)
        verification.run(id, null, null, HASH, HASH, "{}", Date.now())
        step(move, id, "committing", "verified", "worker-1")
      })
      transaction(() => {
        step(decide, id, "applied", "committing", null)
        receipt.run(
          id,
          null,
          Date.now(),
          `{"checksum":"${HASH}","flags":["unguarded"],"patches":[]}`.repeat(5),
        )
        dropVerification.run(id)
      })
    },
    close: () => db.close(),
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

const cycleBench = async () => {
  const { queue, audit, run, close } = await queueOn("cycle")
  await (await queueOn("cycle-raw")).close()
  const raw = rawOn("cycle-raw")
  const ours: number[] = []
  const theirs: number[] = []
  for (let n = 0; n < cycles + 200; n++) {
    const one = item(n)
    const micros = timed(() => {
      run(queue.enqueue([one], ENQUEUE))
      const leases = run(queue.lease("worker-1", LEASE_MS, 1))
      run(queue.settle(leases.map((lease) => settlement(lease, "committing"))))
      run(queue.settle(leases.map((lease) => settlement(lease, "applied"))))
    })
    const rawMicros = timed(() => raw.cycle(one))
    // The first ones compile.
    if (n >= 200) {
      ours.push(micros)
      theirs.push(rawMicros)
    }
  }
  const start = Bun.nanoseconds()
  const report = run(audit.verify())
  const seconds = (Bun.nanoseconds() - start) / 1e9
  if (report.fault) throw new Error(report.fault.message)
  raw.close()
  await close()
  const [a, b] = [summary(ours), summary(theirs)]
  return {
    cycle: { queue: a, raw: b, x_raw_p50: speed(b.p50_us, a.p50_us) },
    audit_verify: { rows: report.rows, rows_per_second: Math.round(report.rows / seconds) },
  }
}

const batchBench = async () => {
  const { queue, run, close } = await queueOn("batch")
  await (await queueOn("batch-raw")).close()
  const raw = rawOn("batch-raw")
  const ours: number[] = []
  const theirs: number[] = []
  for (let round = 0; round < 6; round++) {
    const items = Array.from({ length: 1_000 }, (_, n) => item(round * 1_000 + n))
    ours.push(timed(() => run(queue.enqueue(items, ENQUEUE))))
    theirs.push(timed(() => raw.enqueue(items)))
  }
  raw.close()
  await close()
  const [a, b] = [summary(ours.slice(1)), summary(theirs.slice(1))]
  return { queue: a, raw: b, x_raw_p50: speed(b.p50_us, a.p50_us) }
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
    enqueue_1000: await batchBench(),
    lease: await leaseBench(),
  }
  console.log(JSON.stringify(result, null, 2))
} finally {
  rmSync(folder, { recursive: true, force: true })
}
