/**
 * CPU time (user + system) of dist/hyperion's commands against a bare compiled hello, the time `enqueue` takes for 1,000
 * change requests, and the size of the binary, as JSON. `--runs N` (21), interleaved so that a busy machine disturbs all
 * alike; medians; ratios are what counts. The workspace holds 200 entries; each `enqueue` queues one change of its own.
 * `--binary FILE` measures another build.
 */
import { copyFileSync, mkdirSync, statSync, writeFileSync } from "node:fs"
import { join, resolve } from "node:path"
import { parseArgs } from "node:util"
import { sha256Hex } from "../../src/domain/hash.ts"
import { expect, makeGround, must, run } from "../quickstart/run.ts"

const { values } = parseArgs({
  options: {
    binary: { type: "string", default: resolve(import.meta.dir, "../../dist/hyperion") },
    runs: { type: "string", default: "21" },
  },
})
const built = resolve(values.binary)
const runs = Number(values.runs)
const MANY = 1_000
const BACKLOG = 200
const ground = makeGround("hyperion-bench-cli-")
const { folder, env } = ground

const median = (numbers: readonly number[]): number => {
  const sorted = [...numbers].sort((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN
}
const round = (value: number): number => Number(value.toFixed(2))

const cpuMs = (argv: readonly string[], cwd: string): number => {
  const run = Bun.spawnSync([...argv], {
    cwd,
    env: { ...env },
    stdin: "ignore",
    stdout: "ignore",
    stderr: "ignore",
  })
  if (run.exitCode !== 0) throw new Error(`${argv.slice(1).join(" ")} ended with ${run.exitCode}`)
  return Number(run.resourceUsage.cpuTime.total) / 1000
}

/** One line of a file changes to `text`; a patch as an agent writes it. */
const changeRequest = (task: string, path: string, text: string): string => {
  const patch = `--- a/${path}\n+++ b/${path}\n@@ -1,3 +1,3 @@\n one\n-two\n+${text}\n three\n`
  return JSON.stringify({
    task_id: task,
    agent: `agent-${task.length % 3}`,
    metadata: { intent: `change ${path}` },
    changes: [{ path, operation: "update", patch, patch_hash: sha256Hex(patch) }],
  })
}

const compileHello = (): void => {
  writeFileSync(join(folder, "hello.ts"), 'console.log("hello")\n')
  must({
    argv: [process.execPath, "build", "--compile", "hello.ts", "--outfile", "hello.built"],
    cwd: folder,
    env,
  })
}

/** A repository with one file for each change, and a queue with a backlog. */
const makeWorkspace = (binary: string): string => {
  const workspace = join(folder, "workspace")
  mkdirSync(join(workspace, "src"), { recursive: true })
  for (let n = 0; n < 50; n++) writeFileSync(join(workspace, `src/${n}.txt`), "one\ntwo\nthree\n")
  for (const args of [
    ["init", "-q", "-b", "main"],
    ["add", "."],
    ["commit", "-q", "-m", "base"],
  ])
    must({ argv: ["git", ...args], cwd: workspace, env })
  must({ argv: [binary, "init"], cwd: workspace, env })
  const backlog = Array.from({ length: BACKLOG }, (_, n) =>
    changeRequest(`backlog-${n}`, `src/${n % 50}.txt`, `backlog ${n}`),
  )
  writeFileSync(join(folder, "backlog.jsonl"), `${backlog.join("\n")}\n`)
  must({ argv: [binary, "enqueue", "../backlog.jsonl"], cwd: workspace, env })
  return workspace
}

/** Seconds for a file of change requests, each to a file and with content of its own. */
const enqueueMany = (binary: string, workspace: string, turn: number): number => {
  const file = join(folder, `many-${turn}.jsonl`)
  const lines = Array.from({ length: MANY }, (_, n) =>
    changeRequest(`many-${turn}-${n}`, `src/${n % 50}.txt`, `many ${turn} ${n}`),
  )
  writeFileSync(file, `${lines.join("\n")}\n`)
  const done = run({ argv: [binary, "enqueue", file, "--format", "json"], cwd: workspace, env })
  const { summary } = JSON.parse(done.stdout) as { readonly summary: { readonly queued: number } }
  expect(done.code === 0 && summary.queued === MANY, `${summary.queued} of ${MANY} queued`)
  return done.seconds
}

const measure = (): unknown => {
  compileHello()
  // How a file was written decides how it lies in the page cache, which is worth 15 % of the hello: write both alike.
  const hello = join(folder, "hello")
  const binary = join(folder, "hyperion")
  copyFileSync(join(folder, "hello.built"), hello)
  copyFileSync(built, binary)
  const workspace = makeWorkspace(binary)
  const one = (turn: number): string => {
    const file = join(folder, `one-${turn}.json`)
    writeFileSync(file, changeRequest(`one-${turn}`, `src/${turn % 50}.txt`, `one ${turn}`))
    return file
  }
  const subjects: Readonly<Record<string, (turn: number) => readonly string[]>> = {
    hello: () => [hello],
    version: () => [binary, "--version"],
    help: () => [binary, "--help"],
    command_help: () => [binary, "enqueue", "--help"],
    enqueue: (turn) => [binary, "enqueue", one(turn)],
    list: () => [binary, "list"],
    status: () => [binary, "status"],
    why: () => [binary, "why", "1"],
  }
  const samples: Record<string, number[]> = {}
  for (let turn = 0; turn <= runs; turn++) {
    for (const [name, argv] of Object.entries(subjects)) {
      const ms = cpuMs(argv(turn), workspace)
      if (turn > 0) samples[name] = [...(samples[name] ?? []), ms]
    }
  }
  const many = [0, 1, 2].map((turn) => enqueueMany(binary, workspace, turn))
  const base = median(samples["hello"] ?? [])
  const size = { hello: statSync(hello).size, hyperion: statSync(binary).size }
  return {
    bench: "cli",
    mode: `a workspace with ${BACKLOG} entries, children included`,
    durability: "queue: WAL, synchronous=NORMAL",
    unit: "ms of CPU (user + system), median",
    runs,
    bytes: { ...size, more: size.hyperion - size.hello },
    results: Object.entries(samples).map(([name, all]) => ({ name, cpu_ms: round(median(all)) })),
    ratios: Object.fromEntries(
      Object.entries(samples).map(([name, all]) => [name, round(median(all) / base)]),
    ),
    [`enqueue_${MANY}_seconds`]: round(median(many)),
    goals: { version: 1.5, help: 1.5, enqueue: 10, more_bytes: 5_000_000, [`enqueue_${MANY}_seconds`]: 2 },
  }
}

try {
  console.log(JSON.stringify(measure(), null, 2))
} finally {
  ground.remove()
}
