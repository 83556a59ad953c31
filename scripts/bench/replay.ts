/**
 * `[NAME=]DIR…`: the first-parent history of each repository through propose, enqueue and worker --drain of
 * dist/hyperion into an empty repository, every tree compared with git's; with the branch not checked out and checked
 * out. Beside it, in turns, the first `--first N` (300) commits `--rounds N` (3) times: Hyperion (enqueue + worker)
 * against one `git apply` + `git commit` for each of the same patches. JSON on stdout; ratios count. Exit 1 when a tree
 * differs. `--binary FILE` measures another build.
 */
import { rmSync } from "node:fs"
import { basename, join, resolve } from "node:path"
import { parseArgs } from "node:util"
import { borrow, type Commit, firstParent, sameTree } from "../quickstart/history.ts"
import { type Replay, replay } from "../quickstart/replay.ts"
import { expect, type Ground, makeGround, run } from "../quickstart/run.ts"
import { prepareMailbox, prepareRival, runMailbox, runRival } from "./rival.ts"

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    binary: { type: "string", default: resolve(import.meta.dir, "../../dist/hyperion") },
    first: { type: "string", default: "300" },
    rounds: { type: "string", default: "3" },
    json: { type: "boolean", default: false },
  },
})
const program = [resolve(values.binary)]
const first = Number(values.first)
const rounds = Number(values.rounds)

const median = (numbers: readonly number[]): number =>
  [...numbers].sort((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? Number.NaN
const round = (value: number, digits = 2): number => Number(value.toFixed(digits))
const perSecond = (count: number, seconds: number): number => Math.round(count / seconds)
const work = ({ seconds }: Replay): number => seconds.enqueue + seconds.drain

const say = (text: string): void => {
  if (!values.json) process.stderr.write(`${text}\n`)
}

const whole = (ground: Ground, source: string, checkedOut: boolean) => {
  const folder = join(ground.folder, "whole")
  const result = replay({ program, source, ref: "HEAD", folder, checkedOut, env: ground.env })
  const { commits, unchanged, proposed, landed, carried, compared, different, seconds } = result
  rmSync(folder, { recursive: true })
  say(`  whole history: ${landed} of ${proposed} landed, ${different.length} of ${compared} trees differ`)
  return {
    branch: checkedOut ? "checked out" : "not checked out",
    commits,
    unchanged,
    proposed,
    landed,
    carried_over_by_git: carried,
    trees_compared: compared,
    trees_different: different,
    seconds: {
      propose: round(seconds.propose),
      enqueue: round(seconds.enqueue),
      drain: round(seconds.drain),
    },
    // With changes carried over the seconds hold several rounds.
    landings_per_second: carried.length === 0 ? perSecond(landed, work(result)) : null,
  }
}

/** How far the history goes before the first change that is carried over, at most `--first` commits. */
const comparable = (
  history: readonly Commit[],
  { carried_over_by_git }: ReturnType<typeof whole>,
): readonly Commit[] => {
  const refused = history.findIndex(({ revision }) => revision === carried_over_by_git[0]?.revision)
  return history.slice(0, refused === -1 ? first : Math.min(first, refused))
}

/** Hyperion and git in turns on the first commits; each round on empty repositories. */
const race = (ground: Ground, source: string, wholly: ReturnType<typeof whole>) => {
  const checkedOut = wholly.branch === "checked out"
  const history = comparable(firstParent(source, "HEAD", ground.env), wholly)
  const { revision: ref, tree } = history.at(-1)!
  const changes = join(ground.folder, "race.jsonl")
  const made = run({
    argv: [...program, "propose", "--ref", ref, "--out", changes],
    cwd: source,
    env: ground.env,
  })
  expect(made.code === 0, made.stderr)
  const script = prepareRival(changes, join(ground.folder, "patches"), checkedOut)
  const mailbox = prepareMailbox(changes, join(ground.folder, "mail"))
  const mailed: number[] = []
  const ours: number[] = []
  const theirs: number[] = []
  let landed = 0
  for (let n = 0; n < rounds; n++) {
    const folder = join(ground.folder, "race")
    const result = replay({ program, source, ref, folder: join(folder, "ours"), checkedOut, env: ground.env })
    expect(result.different.length === 0, `trees differ: ${result.different.join(", ")}`)
    const rival = runRival(script, join(folder, "theirs"), ground.env)
    expect(sameTree(source, tree, rival.tree, ground.env), "git apply ended with another tree")
    const am = runMailbox(mailbox, join(folder, "mailed"), ground.env)
    if (am.landed > 0) mailed.push(am.seconds / am.landed / (work(result) / result.landed))
    landed = result.landed
    ours.push(work(result))
    theirs.push(rival.seconds)
    rmSync(folder, { recursive: true })
  }
  for (const name of ["patches", "mail"]) rmSync(join(ground.folder, name), { recursive: true })
  rmSync(changes)
  const [mine, rival] = [median(ours), median(theirs)]
  say(`  first ${landed}: ${perSecond(landed, mine)} landings/s, git ${perSecond(landed, rival)}`)
  return {
    branch: wholly.branch,
    commits: history.length,
    rounds,
    hyperion_per_second: perSecond(landed, mine),
    git_per_second: perSecond(landed, rival),
    /** Of each round, because both sides of one round meet the same disturbances. */
    ratio: round(median(ours.map((seconds, n) => theirs[n]! / seconds))),
    /** Per landing, as far as git am came. */
    ratio_git_am: mailed.length === 0 ? null : round(median(mailed)),
  }
}

const benched = (argument: string) => {
  const [, name, path] = /^(?:([\w.-]+)=)?(.+)$/s.exec(argument)!
  const ground = makeGround("hyperion-bench-replay-")
  try {
    const source = join(ground.folder, "source.git")
    borrow(resolve(path!), source, process.env)
    const tip = run({ argv: ["git", "rev-parse", "HEAD"], cwd: source, env: ground.env }).stdout.trim()
    say(`${name ?? basename(path!)} at ${tip}`)
    const wholes = [false, true].map((checkedOut) => whole(ground, source, checkedOut))
    const races = wholes.map((wholly) => race(ground, source, wholly))
    return { repository: name ?? basename(path!), commit: tip, whole: wholes, race: races }
  } finally {
    ground.remove()
  }
}

if (positionals.length === 0) {
  console.error(
    "usage: bun scripts/bench/replay.ts [NAME=]DIR… [--binary FILE] [--first N] [--rounds N] [--json]",
  )
  process.exit(2)
}
const results = positionals.map(benched)
const different = results.flatMap(({ whole }) => whole.flatMap(({ trees_different }) => trees_different))
console.log(
  JSON.stringify(
    {
      bench: "replay",
      mode: "landing.mode commit, profile replay: no guards, no approvals",
      durability:
        "Hyperion: landings synchronous=FULL with fsynced objects and refs, queue synchronous=NORMAL; git: its defaults",
      results,
      ratios: Object.fromEntries(
        results.map(({ repository, race }) => [
          repository,
          Object.fromEntries(race.map(({ branch, ratio }) => [branch, ratio])),
        ]),
      ),
      goals: { ratio: 2, landings_per_second: 200 },
    },
    null,
    2,
  ),
)
process.exitCode = different.length === 0 ? 0 : 1
