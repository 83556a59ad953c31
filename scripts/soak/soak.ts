/**
 * Everything at once for some minutes: changes of every kind come in, conflict, fail, wait, are held, withdrawn, put
 * back and approved, all landings freeze and thaw, and workers and enqueues are killed. One worker is left alone; its
 * memory and descriptors, the WAL, the database and whatever lies about are measured and must not grow. In the end
 * nothing may be lost, landed twice or left over. Prints one JSON report; exit 1 on any fault.
 *
 *   bun scripts/soak/soak.ts [--minutes 10] [--workers 3] [--seed 1]
 */
import { mkdirSync } from "node:fs"
import { join } from "node:path"
import { parseArgs } from "node:util"
import { chanceFrom } from "../../test/support/chance.ts"
import { initWorkspace, makeRepository } from "../../test/support/workspace.ts"
import { MIXED_POLICY, type Mixed, mixedActions, sharedFiles } from "./actions.ts"
import { inspect } from "./inspect.ts"
import { processOf, type Sample, sample, trends } from "./measure.ts"
import { killAfter, start } from "./processes.ts"
import { countsOf } from "./queue-file.ts"

const { values } = parseArgs({
  options: {
    minutes: { type: "string", default: "10" },
    workers: { type: "string", default: "3" },
    seed: { type: "string", default: "1" },
  },
})
const seconds = Number(values.minutes) * 60
const chance = chanceFrom(Number(values.seed))
/** Often enough for a hundred of them in a short run too. */
const SAMPLE_MS = Math.max(250, Math.min(5_000, seconds * 10))
/** A shorter run says nothing about growth: displaced files alone are kept for a minute. */
const WARM_SECONDS = 240
/** As much as the workers are behind at most: a queue that only grows shows nothing of a queue at work. */
const MOST_UNDECIDED = 200
/** How long entries may take to be decided once nothing new comes. */
const SETTLE_MS = 120_000

const repository = makeRepository({ "a.txt": "a\n", ...sharedFiles() })
const temporary = join(repository.outside, "tmp")
mkdirSync(temporary)
const env = { TMPDIR: temporary }
const say = (text: string) => process.stderr.write(`${text}\n`)

try {
  initWorkspace(repository, MIXED_POLICY)
  repository.commit("policy")
  const mixed: Mixed = {
    repository,
    env,
    chance,
    wanted: new Map(),
    acknowledged: new Set(),
    counts: {},
    faults: [],
  }
  const { faults } = mixed
  const actions = mixedActions(mixed)
  const begun = performance.now()
  const elapsed = () => (performance.now() - begun) / 1_000
  let isOver = false

  const old = start(repository, ["worker"], env)
  let kills = 0
  const mortal = async (slot: number) => {
    for (let life = 0; !isOver; life++) {
      const ended = await killAfter(
        start(repository, ["worker"], env),
        500 + 8_000 * chance("worker", slot, life),
      )
      if (ended.killed) kills++
      else faults.push(`a worker ended with ${ended.code}: ${ended.stderr.trim()}`)
    }
  }
  const mortals = Array.from({ length: Number(values.workers) - 1 }, (_, slot) => mortal(slot))

  const samples: Sample[] = []
  let largestWal = 0
  const measuring = setInterval(() => {
    const now = sample(repository, temporary, old.pid, elapsed())
    if (now === null) return
    samples.push(now)
    largestWal = Math.max(largestWal, now.wal_mb)
    if (samples.length % 6 === 0) say(JSON.stringify(now))
  }, SAMPLE_MS)
  let n = 0
  while (elapsed() < seconds)
    if (countsOf(repository.root).undecided < MOST_UNDECIDED) await actions.act(n++)
    else await Bun.sleep(100)
  clearInterval(measuring)
  const last = processOf(old.pid)
  if (last === null) faults.push("the worker that nobody killed is gone")

  say("nothing new comes; what is there is decided")
  actions.settle()
  const until = performance.now() + SETTLE_MS
  while (performance.now() < until) {
    const { undecided, states } = countsOf(repository.root)
    if (undecided === 0) break
    if (states["awaiting_approval"] === undecided) actions.approveWaiting()
    await Bun.sleep(500)
  }
  isOver = true
  old.kill("SIGTERM")
  const ended = await old.ended
  if (ended.code !== 130 && ended.code !== 143 && ended.code !== 0)
    faults.push(`the old worker ended with ${ended.code}: ${ended.stderr.trim()}`)
  await Promise.all(mortals)
  await start(repository, ["worker", "--drain"], env).ended
  const { undecided, states } = countsOf(repository.root)
  if (undecided > 0) faults.push(`${undecided} entries are not decided: ${JSON.stringify(states)}`)

  const found = await inspect(repository, {
    wanted: mixed.wanted,
    acknowledged: mixed.acknowledged,
    others: /^(a\.txt|hyperion\.json|shared\/\d+\.txt|flaky\/\d+\.txt|needs\/e\d+\.txt)$/,
    verify: 100,
  })
  const grown = trends(samples)
  const report = {
    soak: "soak",
    mode: "landing.mode commit, branch checked out, guards below some folders, approvals unattended",
    seed: Number(values.seed),
    seconds: Math.round(elapsed()),
    actions: n,
    counts: Object.fromEntries(Object.entries(mixed.counts).toSorted()),
    worker_kills: kills,
    acknowledged: mixed.acknowledged.size,
    ...found.report,
    old_worker: last,
    largest_wal_mb: largestWal,
    samples: samples.length,
    quarters: grown.quarters,
    faults: [...faults, ...found.faults, ...(seconds < WARM_SECONDS ? [] : grown.faults)].slice(0, 50),
  }
  console.log(JSON.stringify(report, null, 2))
  process.exitCode = report.faults.length === 0 ? 0 : 1
} finally {
  repository.remove()
}
