/**
 * How long a worker that waits takes to read what another process has committed, as JSON. Both run the real queue on a
 * file with synchronous=NORMAL; the clock begins when the commit has returned. The waiters take turns in one run:
 *
 * `bell`: the worker's own wait, rung by the commit through a named pipe. `poll`: the same wait where no pipe can hang.
 * `socket`: the same worker rung through a unix socket instead, which is what the pipe was chosen over.
 * `--rounds N` (200) commits for each, with pauses of 5 to 60 ms between them.
 */
import { dlopen } from "bun:ffi"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { parseArgs } from "node:util"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { bellsFolder } from "../../src/platform/bells.ts"
import { Database } from "../../src/platform/Database.ts"
import { QueueService } from "../../src/queue/QueueService.ts"
import { idleWaits } from "../../src/worker/idle.ts"
import { runLive } from "../../test/support/effect.ts"
import { anItem, ENQUEUE } from "../../test/support/queue.ts"

const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "200" },
    waiter: { type: "string" },
    file: { type: "string" },
  },
})
const rounds = Number(values.rounds)
const layerOn = (file: string) =>
  Layer.provideMerge(QueueService.layer, Database.layer({ file, create: true }))
const { symbols } = dlopen("libc.so.6", { clock_gettime: { args: ["i32", "buffer"], returns: "i32" } })
const CLOCK_MONOTONIC = 1
/** Nanoseconds of a clock that is the same in every process; the runtime's own begins with each of them. */
const now = (): bigint => {
  const time = new BigInt64Array(2)
  symbols.clock_gettime(CLOCK_MONOTONIC, time)
  return time[0]! * 1_000_000_000n + time[1]!
}
const socketOf = (file: string) => join(file, "../s")

/** Waits `rounds` times for one more row of the log; says when it had read it. */
const waitForRows = (file: string, kind: string) =>
  runLive(
    layerOn(file),
    Effect.gen(function* () {
      const queue = yield* QueueService
      let rung = () => {}
      if (kind === "socket")
        Bun.listen({ unix: socketOf(file), socket: { open: () => rung(), data: () => {} } })
      const idle = yield* idleWaits(() => {})
      const socketWait = Effect.async<void>((resume) => {
        rung = () => resume(Effect.void)
      })
      let { seq } = yield* queue.head()
      // The first wait hangs the bell.
      yield* idle.mark
      yield* idle.wait(true).pipe(Effect.timeoutOption(50))
      process.stdout.write("ready\n")
      for (let round = 0; round < rounds; ) {
        yield* idle.mark
        const head = yield* queue.head()
        if (head.seq === seq) {
          yield* kind === "socket" ? socketWait : idle.wait(true)
          continue
        }
        const at = now()
        seq = head.seq
        round++
        process.stdout.write(`${at}\n`)
      }
    }),
  )

const itemOf = (round: number) =>
  anItem({ taskId: `task-${round}`, agent: "agent", content: `${round}\n`, at: Date.now() })

const linesOf = async function* (stream: ReadableStream<Uint8Array>) {
  const decoder = new TextDecoder()
  let text = ""
  for await (const chunk of stream) {
    text += decoder.decode(chunk, { stream: true })
    const lines = text.split("\n")
    text = lines.pop()!
    yield* lines
  }
}

const at = (sorted: readonly number[], share: number) =>
  Math.round(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]! * 1_000) / 1_000

const measure = async (folder: string, kind: string) => {
  const file = join(folder, `${kind}.db`)
  if (kind === "poll") writeFileSync(bellsFolder(file), "")
  // Made before both of them use it.
  await runLive(layerOn(file), QueueService)
  const child = Bun.spawn(
    [process.execPath, import.meta.path, "--waiter", kind, "--file", file, "--rounds", `${rounds}`],
    {
      stdout: "pipe",
      stderr: "inherit",
    },
  )
  const lines = linesOf(child.stdout)
  await lines.next()
  const micros = await runLive(
    layerOn(file),
    Effect.gen(function* () {
      const queue = yield* QueueService
      const taken: number[] = []
      const commits: number[] = []
      for (let round = 0; round < rounds; round++) {
        yield* Effect.sleep(5 + ((round * 37) % 56))
        const item = itemOf(round)
        const begun = now()
        yield* queue.enqueue([item], ENQUEUE)
        const committed = now()
        commits.push(Number(committed - begun) / 1_000)
        if (kind === "socket")
          yield* Effect.promise(async () =>
            (await Bun.connect({ unix: socketOf(file), socket: { data: () => {} } })).end(),
          )
        const { value } = yield* Effect.promise(() => lines.next())
        taken.push(Number(BigInt(value as string) - committed) / 1_000_000)
      }
      return { taken: taken.sort((a, b) => a - b), commits: commits.sort((a, b) => a - b) }
    }),
  )
  child.kill()
  const { taken, commits } = micros
  return {
    p50_ms: at(taken, 0.5),
    p99_ms: at(taken, 0.99),
    worst_ms: at(taken, 1),
    enqueue_p50_us: at(commits, 0.5),
  }
}

if (values.waiter !== undefined) {
  await waitForRows(values.file!, values.waiter)
  process.exit(0)
}
const folder = mkdtempSync(join(tmpdir(), "hyperion-bench-wakeup-"))
try {
  const result = {
    bench: "wakeup",
    durability: "WAL, synchronous=NORMAL",
    rounds,
    bell: await measure(folder, "bell"),
    poll: await measure(folder, "poll"),
    socket: await measure(folder, "socket"),
  }
  console.log(JSON.stringify(result, null, 2))
} finally {
  rmSync(folder, { recursive: true, force: true })
}
