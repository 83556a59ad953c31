/**
 * How long the next worker needs to recover from a worker that died in many landings at once, half of which had moved
 * the branch: in process, from the journal to the settled entries, as JSON. `--rows N` (1000), `--rounds N` (5), each on
 * a repository and database of its own. Recovering a workspace where nothing is open stands beside it.
 */
import { parseArgs } from "node:util"
import { recoverAtStart } from "../../src/worker/recover.ts"
import { withOpenLandings } from "../../test/crash/open-landings.ts"

const { values } = parseArgs({
  options: { rows: { type: "string", default: "1000" }, rounds: { type: "string", default: "5" } },
})
const rows = Number(values.rows)

const round = async () => {
  const shop = await withOpenLandings(rows)
  const timed = async () => {
    const begun = performance.now()
    const { settled, blocked } = await shop.run(recoverAtStart())
    if (blocked !== null) throw new Error(blocked)
    return { settled: settled.length, ms: Math.round((performance.now() - begun) * 10) / 10 }
  }
  const all = await timed()
  if (all.settled !== rows) throw new Error(`${all.settled} of ${rows} rows were recovered`)
  const none = await timed()
  await shop.dispose()
  shop.remove()
  return { ms: all.ms, nothing_open_ms: none.ms }
}

const rounds: Awaited<ReturnType<typeof round>>[] = []
for (let left = Number(values.rounds); left > 0; left--) rounds.push(await round())
const sorted = rounds.map(({ ms }) => ms).toSorted((left, right) => left - right)
console.log(
  JSON.stringify(
    {
      bench: "recovery",
      mode: "landing.mode commit, branch checked out, one file for each landing",
      durability: "WAL, each settlement synchronous=FULL",
      rows,
      rounds,
      ms: { median: sorted[Math.floor(sorted.length / 2)], most: sorted.at(-1) },
      goal_ms: 1_000,
    },
    null,
    2,
  ),
)
