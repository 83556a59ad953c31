/**
 * Builds dist/hyperion and shows it at work in fresh folders: a request on its way into a repository, and a whole
 * history through the queue. Everything shown is checked; exit 1 and a message when anything is off. `--keep` leaves
 * the folders.
 */
import { existsSync, realpathSync } from "node:fs"
import { join, resolve } from "node:path"
import { parseArgs } from "node:util"
import { borrow } from "./quickstart/history.ts"
import { type Replay, replay } from "./quickstart/replay.ts"
import { expect, type Ground, makeGround, must, run, Unexpected } from "./quickstart/run.ts"
import { makeScreen, wantsColor } from "./quickstart/screen.ts"
import { syntheticHistory } from "./quickstart/synthetic.ts"
import { type Toured, tour } from "./quickstart/tour.ts"

const root = resolve(import.meta.dir, "..")
const binary = join(root, "dist/hyperion")
const screen = makeScreen(
  (text) => process.stdout.write(text),
  wantsColor(process.stdout.isTTY === true, process.env),
)
const { part, line, say, paint, checked } = screen

const seconds = (value: number): string => `${value.toFixed(value < 10 ? 2 : 1)} s`

const build = (): void => {
  part("Build")
  say("One binary, compiled by scripts/build.ts and then tried from an empty and from a hostile folder.")
  const built = run({ argv: [process.execPath, "scripts/build.ts"], cwd: root, env: process.env })
  if (built.code !== 0) throw new Unexpected(`the build failed:\n${built.stdout}${built.stderr}`)
  checked(`${built.stdout.trim()} (${seconds(built.seconds)})`)
  say("Below, `hyperion` is this binary. Everything happens in a temporary folder.")
}

/** Why this checkout's own history cannot be replayed; null when it can. */
const noHistory = (): string | null => {
  const git = (...args: readonly string[]) => run({ argv: ["git", ...args], cwd: root, env: process.env })
  const top = git("rev-parse", "--show-toplevel")
  if (top.code !== 0 || realpathSync(top.stdout.trim()) !== realpathSync(root))
    return "this is no git checkout, so the project's history is not here"
  if (git("rev-parse", "-q", "--verify", "HEAD").code !== 0) return "this checkout has no commit"
  if (git("rev-parse", "--is-shallow-repository").stdout.trim() === "true")
    return "this is a shallow clone, which has only the end of the project's history"
  return null
}

interface Replayed extends Replay {
  readonly own: boolean
  readonly auditRows: number
}

const replayHistory = (ground: Ground): Replayed => {
  const source = join(ground.folder, "history.git")
  const missing = noHistory()
  if (missing === null) borrow(root, source, process.env)
  else {
    say(`Instead of the project's own history a small made one is replayed: ${missing}.`)
    syntheticHistory(source, ground.env)
  }
  const whose = missing === null ? "this project's own" : "a made"
  screen.step(`Turn ${whose} history into change requests and replay it`)
  say(
    "Each commit of the first-parent history becomes one change request; they go through the queue into an empty repository. " +
      "The profile `replay` switches off what has no place here: guards, approvals, rules for portable paths.",
  )
  for (const command of [
    "hyperion propose --ref HEAD --out changes.jsonl",
    "hyperion init --profile replay --branch replay --yes",
    "hyperion enqueue changes.jsonl",
    "hyperion worker --drain",
  ])
    screen.command(command)
  const result = replay({
    program: [binary],
    source,
    ref: "HEAD",
    folder: join(ground.folder, "replayed"),
    checkedOut: false,
    env: ground.env,
  })
  const { proposed, landed, carried, commits, compared, different, repository } = result
  screen.output(
    `${proposed} change requests from ${commits} commits in ${seconds(result.seconds.propose)}\n` +
      `queued in ${seconds(result.seconds.enqueue)}, landed in ${seconds(result.seconds.drain)}`,
  )
  for (const { revision, reason } of carried)
    screen.output(paint("yellow", `refused, so carried over by git: ${revision.slice(0, 12)}: ${reason}`))
  expect(different.length === 0, `trees differ from git's after: ${different.slice(0, 5).join(", ")}`)
  expect(landed + carried.length === proposed, `${landed} of ${proposed} change requests landed`)
  checked(
    `${landed} landed, ${carried.length} refused and carried over by git. ` +
      `All ${compared} trees compared, one after every commit: every id is the one git has.`,
  )
  const audit = run({
    argv: [binary, "audit", "verify", "--format", "json"],
    cwd: repository,
    env: ground.env,
  })
  expect(audit.code === 0, `the audit log of the replay does not verify: ${audit.stderr}`)
  const { rows } = JSON.parse(audit.stdout) as { readonly rows: number }
  checked(`The replay's audit log verifies: ${rows} rows.`)
  return { ...result, own: missing === null, auditRows: rows }
}

const summarise = (toured: Toured, replayed: Replayed, started: number, kept: string | null): void => {
  const { landed, carried, commits, compared, proposed } = replayed
  const work = replayed.seconds.enqueue + replayed.seconds.drain
  const row = (name: string, text: string) => line(`    ${paint("cyan", name.padEnd(10))} ${text}`)
  part("Summary")
  row(
    "request",
    `${toured.landed} changes asked for, proven${toured.approved ? ", approved" : ""} and landed; ${toured.refused} refused by the guard`,
  )
  row(
    "replay",
    `${landed} of ${proposed} changes landed from ${commits} commits of ${replayed.own ? "this project" : "a made history"}, ${carried.length} carried over by git`,
  )
  row("exact", `${compared} of ${compared} trees have git's own id`)
  row(
    "speed",
    `${Math.round(landed / work)} landings per second (enqueue ${seconds(replayed.seconds.enqueue)}, worker ${seconds(replayed.seconds.drain)})`,
  )
  row("audit", `${toured.auditRows + replayed.auditRows} rows, both logs verify`)
  row("receipts", "in .hyperion/hyperion.db of each repository: hyperion show ID, hyperion history ID")
  row("time", `${seconds((performance.now() - started) / 1000)} in all`)
  if (kept !== null) row("kept", `${kept} (HYPERION_CACHE=${kept}/cache)`)
  line()
  line(`    ${paint("bold", "Next, in a repository of your own:")}`)
  for (const [command, meaning] of [
    [`export PATH="${join(root, "dist")}:$PATH"`, ""],
    ["hyperion init", "find your checks, write hyperion.json, run the checks once"],
    ["hyperion propose --ref BRANCH --submit", "queue the commits of a branch of an agent or of yours"],
    ["hyperion worker --drain", "prove them; whatever is green waits for you"],
    ["hyperion approve ID", "look at it, then let it land with the next drain"],
  ] as const)
    line(`      ${paint("green", "$")} ${command.padEnd(42)}${paint("dim", meaning)}`.trimEnd())
  if (kept === null)
    line(
      `\n    ${paint("dim", "The demo's folders are gone; bun scripts/quickstart.ts --keep leaves them to look around in.")}`,
    )
  line()
}

const { values } = parseArgs({ options: { keep: { type: "boolean", default: false } } })
const started = performance.now()
const ground = makeGround("hyperion-quickstart-")
const stop = (code: number) => () => {
  if (!values.keep) ground.remove()
  process.exit(code)
}
process.on("SIGINT", stop(130))
process.on("SIGTERM", stop(143))
try {
  must({ argv: ["git", "--version"], cwd: root, env: ground.env })
  build()
  expect(existsSync(binary), "the build left no dist/hyperion")
  part("A request lands")
  const toured = tour(screen, ground, binary)
  part("A history lands")
  const replayed = replayHistory(ground)
  summarise(toured, replayed, started, values.keep ? ground.folder : null)
} catch (cause) {
  if (!(cause instanceof Unexpected)) throw cause
  console.error(`\n${paint("red", "quickstart failed:")} ${cause.message}`)
  console.error(values.keep ? `its folders: ${ground.folder}` : "--keep leaves its folders to look into")
  process.exitCode = 1
} finally {
  if (!values.keep) ground.remove()
}
