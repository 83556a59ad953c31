/**
 * One process of contention.ts: CLIENTS fibers, each leases one entry and lands it, fused, until the time is over.
 * Waits for a line on stdin, so that all begin together; prints what it did as JSON.
 */
import { Database as Sqlite } from "bun:sqlite"
import { writeSync } from "node:fs"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Database } from "../../src/platform/Database.ts"
import type { Lease } from "../../src/queue/lease.ts"
import { QueueService } from "../../src/queue/QueueService.ts"
import { runLive } from "../../test/support/effect.ts"
import { settlement } from "../../test/support/queue.ts"

const [file, name, durability, clients, milliseconds] = process.argv.slice(2)
const LEASE_MS = 300_000
const layer = Layer.provideMerge(
  QueueService.layer,
  Database.layer({ file: file!, create: false, durable: durability === "full" }),
)
const landed = (leases: readonly Lease[]) => [
  ...leases.map((lease) => settlement(lease, "committing")),
  ...leases.map((lease) => settlement(lease, "applied")),
]
let commits = 0
const query = Sqlite.prototype.query
Sqlite.prototype.query = function (this: Sqlite, sql: string) {
  if (sql === "COMMIT") commits++
  return query.call(this, sql)
} as typeof query
const said = (value: object) => writeSync(1, `${JSON.stringify(value)}\n`)

await runLive(
  layer,
  Effect.gen(function* () {
    const queue = yield* QueueService
    const waits: number[] = []
    const leased: string[] = []
    let busy = 0
    let landings = 0
    let until = 0
    const client = (number: number) =>
      Effect.gen(function* () {
        let leases: readonly Lease[] = []
        while (Bun.nanoseconds() < until) {
          const begun = Bun.nanoseconds()
          const next = { worker: `${name}-${number}`, leaseMs: LEASE_MS, limit: 1 }
          const settled = yield* Effect.either(queue.settleAndLease(landed(leases), next))
          waits.push((Bun.nanoseconds() - begun) / 1e6)
          if (settled._tag === "Left") {
            busy++
            continue
          }
          landings += leases.length - settled.right.lost.length
          leases = settled.right.leases
          for (const { entry, token } of leases) leased.push(`${entry.id}.${token}`)
          // Others of this process, and what a worker does between two entries.
          yield* Effect.yieldNow()
        }
      })
    // Compiled before it is measured.
    yield* queue.counts()
    said({ ready: true })
    yield* Effect.promise(() => Bun.stdin.stream().getReader().read())
    until = Bun.nanoseconds() + Number(milliseconds) * 1e6
    yield* Effect.all(
      Array.from({ length: Number(clients) }, (_, number) => client(number)),
      { concurrency: "unbounded", discard: true },
    )
    waits.sort((a, b) => a - b)
    const at = (share: number) => Math.round((waits[Math.floor(waits.length * share)] ?? 0) * 100) / 100
    said({
      landings,
      commits,
      busy,
      leased,
      p50_ms: at(0.5),
      p99_ms: at(0.99),
      worst_ms: Math.round((waits.at(-1) ?? 0) * 10) / 10,
    })
  }),
)
process.exit(0)
