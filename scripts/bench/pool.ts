/**
 * A queue of entries of different files under a guard that takes a while: groups (the default) against each entry alone
 * (`queue.batch` 1, `workers` 1), with none, one and three of them red; and proofs of entries that wait for people,
 * three side by side against one. Guard runs are counted by the guard itself. JSON; ratios of one run count.
 * `--entries N` (24), `--guard-ms MS` (300), `--binary FILE`.
 */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { join, resolve } from "node:path"
import { parseArgs } from "node:util"
import { sha256Hex } from "../../src/domain/hash.ts"
import { expect, makeGround, must, run } from "../quickstart/run.ts"

const { values } = parseArgs({
  options: {
    binary: { type: "string", default: resolve(import.meta.dir, "../../dist/hyperion") },
    entries: { type: "string", default: "24" },
    "guard-ms": { type: "string", default: "300" },
  },
})
const binary = resolve(values.binary)
const entries = Number(values.entries)
const guardMs = Number(values["guard-ms"])
const ground = makeGround("hyperion-bench-pool-")

interface Setting {
  readonly workers: number
  readonly batch: number
  readonly required: 0 | 1
  /** How many entries are red alone. */
  readonly red: number
}

const round = (value: number): number => Number(value.toFixed(2))

/** Red ones stand apart from each other. */
const pathOf = (n: number, red: number): string => {
  const isRed = red > 0 && n % Math.floor(entries / red) === Math.floor(entries / red / 2) && n < entries
  return isRed ? `red-${n}.txt` : `file-${n}.txt`
}

const changeRequest = (n: number, path: string): string => {
  const content = `${n}\n`
  return JSON.stringify({
    task_id: `task-${n}`,
    agent: "agent",
    metadata: { intent: `add ${path}` },
    changes: [{ path, operation: "add", content, patch_hash: sha256Hex(content) }],
  })
}

const measure = ({ workers, batch, required, red }: Setting) => {
  const folder = join(ground.folder, "workspace")
  const counter = join(ground.folder, "runs")
  mkdirSync(folder)
  writeFileSync(counter, "")
  writeFileSync(
    join(folder, "check.sh"),
    `echo run >> ${counter}\nsleep ${guardMs / 1000}\nfor f in red-*; do test ! -e "$f" || exit 1; done\n`,
  )
  const policy = {
    version: 1,
    guards: [{ id: "check", command: ["sh", "check.sh"], flaky_retries: 0 }],
    approvals: required === 0 ? { required, presence: "none", unattended: true } : { required },
    queue: { batch },
    workers,
    // The guard counts its runs in a file outside of the tree.
    sandbox: "off",
  }
  const here = { cwd: folder, env: ground.env }
  for (const args of [
    ["init", "-q", "-b", "main"],
    ["add", "."],
    ["commit", "-q", "-m", "base"],
  ])
    must({ argv: ["git", ...args], ...here })
  writeFileSync(join(folder, "hyperion.json"), JSON.stringify(policy))
  must({ argv: [binary, "init", "--yes"], ...here })
  must({ argv: [binary, "config", "trust", "--yes"], ...here })
  const stdin = Array.from({ length: entries }, (_, n) => changeRequest(n, pathOf(n, red))).join("\n")
  must({ argv: [binary, "enqueue", "-"], stdin, ...here })
  writeFileSync(counter, "")
  const worker = run({ argv: [binary, "worker", "--drain", "--format", "json"], ...here })
  expect(worker.code === 0, `worker ended with ${worker.code}: ${worker.stderr}`)
  const { landed, waiting, failed } = JSON.parse(worker.stdout).summary
  expect(failed === red, `${failed} failed, and not ${red}`)
  expect((required === 0 ? landed : waiting) === entries - red, `${landed} landed, ${waiting} wait`)
  const runs = readFileSync(counter, "utf8").split("\n").length - 1
  rmSync(folder, { recursive: true })
  return { landed, waiting, failed, guard_runs: runs, seconds: round(worker.seconds) }
}

const against = (alone: Setting, together: Setting) => {
  const [one, other] = [measure(alone), measure(together)]
  return { alone: one, together: other, x: round(one.seconds / other.seconds) }
}

try {
  const land = (red: number) =>
    against({ workers: 1, batch: 1, required: 0, red }, { workers: 3, batch: 50, required: 0, red })
  console.log(
    JSON.stringify(
      {
        entries,
        guard_ms: guardMs,
        land: { red_0: land(0), red_1: land(1), red_3: land(3) },
        prove: against(
          { workers: 1, batch: 50, required: 1, red: 0 },
          { workers: 3, batch: 50, required: 1, red: 0 },
        ),
      },
      null,
      2,
    ),
  )
} finally {
  ground.remove()
}
