/**
 * Several processes that lease and land on one database at the same time, as JSON: who gets how many entries, how long
 * the longest write waited, whether anybody was told that the database is busy, whether an entry was leased twice.
 *
 * `turnstile`: as it is. `sqlite`: the same without it, so that SQLite's own lock and its busy
 * timeout decide alone; 1 and 4 processes with one client each, synchronous=NORMAL and FULL, in turns. `clients_16`: one
 * process with 16 clients; commits for each landed entry are counted. `reader`: the largest write-ahead log of four
 * processes beside a reader that polls every 5 ms. `--ms N` (1500) of each, `--backlog N` (30000) entries.
 */
import { Database as Sqlite } from "bun:sqlite"
import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { parseArgs } from "node:util"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Database } from "../../src/platform/Database.ts"
import { turnstileFile } from "../../src/platform/turnstile.ts"
import { QueueService } from "../../src/queue/QueueService.ts"
import { runLive } from "../../test/support/effect.ts"
import { anItem, ENQUEUE } from "../../test/support/queue.ts"

const { values } = parseArgs({
  options: {
    ms: { type: "string", default: "1500" },
    backlog: { type: "string", default: "30000" },
    only: { type: "string" },
  },
})
const milliseconds = Number(values.ms)
const backlog = Number(values.backlog)
const folder = mkdtempSync(join(tmpdir(), "hyperion-bench-contention-"))
type Durability = "normal" | "full"

const itemOf = (n: number) =>
  anItem({
    taskId: `task-${n}`,
    agent: `agent-${n % 4}`,
    content: `${n}\n${"x".repeat(700)}`,
    at: Date.now(),
  })

const CHUNK = 1_000
const filled = async (file: string, entries: number) =>
  runLive(
    Layer.provideMerge(QueueService.layer, Database.layer({ file, create: true })),
    Effect.gen(function* () {
      const queue = yield* QueueService
      for (let n = 0; n < entries; n += CHUNK) {
        const items = Array.from({ length: CHUNK }, (_, offset) => itemOf(n + offset))
        yield* queue.enqueue(items, { ...ENQUEUE, maxDepth: 1e9 })
      }
    }),
  )

interface Ran {
  readonly landings: number
  readonly commits: number
  readonly busy: number
  readonly leased: readonly string[]
  readonly p50_ms: number
  readonly p99_ms: number
  readonly worst_ms: number
}

const start = (file: string, name: string, durability: Durability, clients: number) => {
  const script = join(import.meta.dir, "contention-process.ts")
  const child = Bun.spawn(
    [process.execPath, script, file, name, durability, `${clients}`, `${milliseconds}`],
    { stdin: "pipe", stdout: "pipe", stderr: "inherit" },
  )
  const lines = linesOf(child.stdout)
  return {
    ready: lines.next(),
    run: async (): Promise<Ran> => {
      child.stdin.write("go\n")
      child.stdin.end()
      const { value } = await lines.next()
      await child.exited
      return JSON.parse(value!)
    },
  }
}

const linesOf = async function* (stream: ReadableStream<Uint8Array>): AsyncGenerator<string, undefined> {
  const decoder = new TextDecoder()
  let text = ""
  for await (const chunk of stream) {
    text += decoder.decode(chunk, { stream: true })
    const lines = text.split("\n")
    text = lines.pop()!
    yield* lines
  }
}

const rounded = (value: number, digits = 2) => Math.round(value * 10 ** digits) / 10 ** digits

interface Arrangement {
  readonly processes: number
  readonly durability: Durability
  readonly clients?: number
  readonly turnstile?: boolean
}

let files = 0
/** What processes did on a fresh backlog; `beside` runs meanwhile, and says what it saw when it is stopped. */
const together = async (
  { processes, durability, clients = 1, turnstile = true }: Arrangement,
  beside: (file: string) => () => object = () => () => ({}),
) => {
  const file = join(folder, `${files++}.db`)
  // What is not ours is left alone, and nobody waits at it.
  if (!turnstile) writeFileSync(turnstileFile(file), "")
  await filled(file, backlog)
  const children = Array.from({ length: processes }, (_, n) =>
    start(file, `worker-${n}`, durability, clients),
  )
  await Promise.all(children.map(({ ready }) => ready))
  const stop = beside(file)
  const ran = await Promise.all(children.map(({ run }) => run()))
  const seen = stop()
  for (const suffix of ["", "-wal", "-shm"]) rmSync(file + suffix, { force: true })
  const each = ran.map(({ landings }) => landings)
  const sum = (numbers: readonly number[]) => numbers.reduce((total, n) => total + n, 0)
  const leases = ran.flatMap(({ leased }) => leased)
  return {
    landed_per_second: Math.round((sum(each) / milliseconds) * 1_000),
    each,
    fairness_min_max: rounded(Math.min(...each) / Math.max(...each)),
    p50_ms: Math.max(...ran.map(({ p50_ms }) => p50_ms)),
    p99_ms: Math.max(...ran.map(({ p99_ms }) => p99_ms)),
    worst_wait_ms: Math.max(...ran.map(({ worst_ms }) => worst_ms)),
    busy_surfaced: sum(ran.map(({ busy }) => busy)),
    double_leases: leases.length - new Set(leases).size,
    commits_per_landing: rounded(sum(ran.map(({ commits }) => commits)) / sum(each), 3),
    ...seen,
  }
}

/** A dashboard: short reads, and how large the write-ahead log grew. */
const reader = (file: string) => {
  const db = new Sqlite(file, { readonly: true })
  let largest = 0
  let reads = 0
  const timer = setInterval(() => {
    db.query("SELECT * FROM entry ORDER BY id DESC LIMIT 100").all()
    reads++
    largest = Math.max(largest, statSync(`${file}-wal`).size)
  }, 5)
  return () => {
    clearInterval(timer)
    db.close()
    return { reads, largest_wal_mb: rounded(largest / 1e6, 1) }
  }
}

try {
  const result: Record<string, unknown> = { bench: "contention" }
  for (const durability of ["normal", "full"] as const)
    for (const processes of [1, 4])
      for (const turnstile of [true, false])
        result[`${turnstile ? "turnstile" : "sqlite"}_${processes}_${durability}`] = await together({
          processes,
          durability,
          turnstile,
        })
  for (const clients of [1, 16])
    result[`clients_${clients}_full`] = await together({ processes: 1, durability: "full", clients })
  result["reader_4_normal"] = await together({ processes: 4, durability: "normal" }, reader)
  console.log(JSON.stringify(result, null, 2))
} finally {
  rmSync(folder, { recursive: true, force: true })
}
