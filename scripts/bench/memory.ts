/**
 * Memory of the compiled binary's `worker` beside a queue with many rows, as JSON: resident size while it waits and at
 * its highest, beside an empty queue, beside rows that somebody holds, beside rows that have landed, and while it lands
 * `--land N` (2000) more. `--rows N` (1000000), `--seconds N` (10) of waiting each, `--binary FILE`.
 *
 * The rows come in through the queue's own door; that they are held, or have landed, is then written into them without a
 * log, which a worker does not read.
 */
import { Database } from "bun:sqlite"
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { parseArgs } from "node:util"
import { initWorkspace, makeRepository, OPEN_POLICY, requestOf } from "../../test/support/workspace.ts"
import { processOf } from "../soak/measure.ts"
import { start } from "../soak/processes.ts"
import { countsOf } from "../soak/queue-file.ts"
import { openQueue } from "./backlog.ts"

const { values } = parseArgs({
  options: {
    rows: { type: "string", default: "1000000" },
    land: { type: "string", default: "2000" },
    seconds: { type: "string", default: "10" },
  },
})
const rows = Number(values.rows)
const land = Number(values.land)
const SAMPLE_MS = 250

const repository = makeRepository({ "a.txt": "a\n" })
const file = join(repository.root, ".hyperion/hyperion.db")

/** Starts a worker, and ends it when `isOver` says so; its memory at the end and at its highest. */
const worker = async (isOver: (seconds: number) => boolean) => {
  const running = start(repository, ["worker"])
  const begun = performance.now()
  let last = processOf(running.pid)
  while (!isOver((performance.now() - begun) / 1_000)) {
    await Bun.sleep(SAMPLE_MS)
    last = processOf(running.pid)
    if (last === null) throw new Error(`the worker ended: ${(await running.ended).stderr}`)
  }
  running.kill("SIGTERM")
  await running.ended
  return { rss_mb: last!.rss_mb, peak_mb: last!.peak_mb }
}
const waiting = () => worker((seconds) => seconds >= Number(values.seconds))

const write = (sql: string): void => {
  const db = new Database(file)
  db.run("PRAGMA busy_timeout = 60000")
  db.run(sql)
  db.run("PRAGMA wal_checkpoint(TRUNCATE)")
  db.close()
}

try {
  initWorkspace(repository, { ...OPEN_POLICY, queue: { max_depth: 2 * rows + land } })
  repository.commit("policy")
  const empty = await waiting()
  const queue = await openQueue(file)
  queue.pending(rows)
  await queue.close()
  write("UPDATE entry SET held = 1")
  const held = await waiting()
  const changes = Array.from({ length: land }, (_, n) =>
    requestOf(`land-${n}`, { [`d${n % 97}/${n}.txt`]: `${n}\n` }),
  )
  const jsonl = join(repository.outside, "land.jsonl")
  writeFileSync(jsonl, changes.map((change) => `${JSON.stringify(change)}\n`).join(""))
  const queued = await start(repository, ["enqueue", jsonl, "--format", "jsonl"]).ended
  if (queued.code !== 0) throw new Error(queued.stderr)
  const landing = await worker(() => countsOf(repository.root).applied === land)
  write("UPDATE entry SET held = 0, state = 'applied', decided = 1 WHERE held = 1")
  const landed = await waiting()
  console.log(
    JSON.stringify(
      {
        bench: "memory",
        mode: "worker, landing.mode commit, branch checked out, no guards",
        durability:
          "landings synchronous=FULL with fsynced objects, refs and files, queue synchronous=NORMAL",
        rows,
        waiting_beside: { nothing: empty, [`${rows}_held`]: held, [`${rows}_landed`]: landed },
        [`landing_${land}_beside_${rows}_held`]: landing,
        goal_mb: 120,
      },
      null,
      2,
    ),
  )
} finally {
  repository.remove()
}
