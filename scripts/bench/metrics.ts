/**
 * `queue-metrics` in a process that is running already, over a queue with many rows, as JSON: as many have landed, in
 * the minute that is measured or before it, and then as many wait. `--rows N` (1000000) of them in all, `--runs N` (300)
 * looks. A count of the rows by state, which it does without, stands beside it.
 */
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { parseArgs } from "node:util"
import { openQueue, rounded } from "./backlog.ts"

const { values } = parseArgs({
  options: { rows: { type: "string", default: "1000000" }, runs: { type: "string", default: "300" } },
})
const rows = Number(values.rows)
const runs = Number(values.runs)
const folder = mkdtempSync(join(tmpdir(), "hyperion-bench-metrics-"))
const DAY_MS = 86_400_000
const WINDOW_MS = 60_000

const summary = (times: readonly number[]) => {
  const sorted = times.toSorted((left, right) => left - right)
  const at = (part: number) => rounded(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))]!)
  return { p50_ms: at(0.5), p99_ms: at(0.99) }
}

const bench = await openQueue(join(folder, "hyperion.db"))
try {
  const measured = () => {
    const timed = (body: () => void) => {
      const begun = performance.now()
      body()
      return performance.now() - begun
    }
    const options = {
      windowMs: WINDOW_MS,
      retentionMs: 7 * DAY_MS,
      deadLetterMs: 30 * DAY_MS,
      castBuilder: null,
    }
    const look = () => void bench.run(bench.telemetry.metrics(options))
    for (let warm = 20; warm > 0; warm--) look()
    const metrics = summary(Array.from({ length: runs }, () => timed(look)))
    const byState = summary(
      Array.from({ length: 5 }, () =>
        timed(() => {
          bench.run(
            bench.queue.read((db) => db.query("SELECT state, count(*) FROM entry GROUP BY state").all()),
          )
        }),
      ),
    )
    return { ...metrics, count_by_state_ms: byState.p50_ms }
  }
  const few = measured()
  bench.landed(Math.min(50_000, rows / 20))
  const busy = measured()
  bench.pending(rows - Math.min(50_000, rows / 20))
  const many = measured()
  console.log(
    JSON.stringify(
      {
        bench: "metrics",
        durability: "WAL, synchronous=NORMAL",
        rows,
        window_ms: WINDOW_MS,
        empty: few,
        [`landed_${Math.min(50_000, rows / 20)}`]: busy,
        [`rows_${rows}`]: many,
        goal_ms: 5,
      },
      null,
      2,
    ),
  )
} finally {
  await bench.close()
  rmSync(folder, { recursive: true, force: true })
}
