/**
 * What an idle worker costs, as JSON: dist/hyperion's `worker` in a fresh workspace with an empty queue. CPU (user and
 * system, of the process) as the kernel counts it over `--seconds N` (30), after as long again to come to rest; rows by
 * the log's head and by SQLite's data version, which any commit changes. `--binary FILE` measures another build. Linux.
 */
import { Database as Sqlite } from "bun:sqlite"
import { mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { join, resolve } from "node:path"
import { parseArgs } from "node:util"
import { makeGround, must } from "../quickstart/run.ts"

const { values } = parseArgs({
  options: {
    binary: { type: "string", default: resolve(import.meta.dir, "../../dist/hyperion") },
    seconds: { type: "string", default: "30" },
  },
})
const binary = resolve(values.binary)
const milliseconds = Number(values.seconds) * 1_000
/** USER_HZ, which Linux fixes at 100 towards programs. */
const TICK_MS = 10
const { folder, env, remove } = makeGround("hyperion-bench-idle-")

const workspace = join(folder, "workspace")
mkdirSync(workspace, { recursive: true })
writeFileSync(join(workspace, "a.txt"), "a\n")
for (const args of [
  ["init", "-q", "-b", "main"],
  ["add", "."],
  ["commit", "-q", "-m", "base"],
])
  must({ argv: ["git", ...args], cwd: workspace, env })
must({ argv: [binary, "init"], cwd: workspace, env })

const cpuMs = (pid: number): number => {
  // The name in it may hold anything, also blanks.
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]!.split(" ")
  return (Number(fields[11]) + Number(fields[12])) * TICK_MS
}

const worker = Bun.spawn([binary, "worker"], {
  cwd: workspace,
  env: { ...env },
  stdin: "ignore",
  stdout: "ignore",
  stderr: "ignore",
})
try {
  const db = new Sqlite(join(workspace, ".hyperion/hyperion.db"), { readonly: true })
  const state = () => ({
    version: db.query<{ data_version: number }, []>("PRAGMA data_version").get()!.data_version,
    rows: db.query<{ n: number }, []>("SELECT count(*) AS n FROM audit").get()!.n,
  })
  await Bun.sleep(milliseconds)
  const [before, cpu, begun] = [state(), cpuMs(worker.pid), performance.now()]
  await Bun.sleep(milliseconds)
  const [after, spent, took] = [state(), cpuMs(worker.pid) - cpu, performance.now() - begun]
  db.close()
  console.log(
    JSON.stringify(
      {
        bench: "idle",
        seconds: Math.round(took / 1_000),
        cpu_percent: Math.round((spent / took) * 10_000) / 100,
        rows_written: after.rows - before.rows,
        commits_seen: after.version - before.version,
      },
      null,
      2,
    ),
  )
} finally {
  worker.kill()
  await worker.exited
  remove()
}
