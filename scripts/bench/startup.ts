/**
 * CPU time (user + system) of `--version` and `--help` of dist/hyperion against a bare compiled hello, as JSON.
 * `--runs N` (21), interleaved so that a busy machine disturbs all alike; medians; ratios are what counts.
 */
import { copyFileSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join, resolve } from "node:path"
import { parseArgs } from "node:util"

const built = resolve(import.meta.dir, "../../dist/hyperion")
const { values } = parseArgs({ options: { runs: { type: "string", default: "21" } } })
const runs = Number(values.runs)
const folder = mkdtempSync(join(tmpdir(), "hyperion-startup-"))

const median = (numbers: readonly number[]): number => {
  const sorted = [...numbers].sort((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN
}

const cpuMs = (argv: readonly string[]): number => {
  const run = Bun.spawnSync([...argv], { cwd: folder, stdin: "ignore", stdout: "ignore", stderr: "ignore" })
  if (run.exitCode !== 0) throw new Error(`${argv.join(" ")} ended with ${run.exitCode}`)
  return Number(run.resourceUsage.cpuTime.total) / 1000
}

try {
  writeFileSync(join(folder, "hello.ts"), 'console.log("hello")\n')
  const build = Bun.spawnSync(
    [process.execPath, "build", "--compile", "hello.ts", "--outfile", "hello.built"],
    {
      cwd: folder,
      stdin: "ignore",
      stdout: "ignore",
      stderr: "inherit",
    },
  )
  if (build.exitCode !== 0) throw new Error("the hello did not build")
  // How a file was written decides how it lies in the page cache, which is worth 15 % of the hello: write both alike.
  const hello = join(folder, "hello")
  const binary = join(folder, "hyperion")
  copyFileSync(join(folder, "hello.built"), hello)
  copyFileSync(built, binary)
  const subjects: Readonly<Record<string, readonly string[]>> = {
    hello: [hello],
    version: [binary, "--version"],
    help: [binary, "--help"],
    command_help: [binary, "enqueue", "--help"],
    topic: [binary, "help", "exit-codes"],
  }
  const samples: Record<string, number[]> = {}
  for (let run = -1; run < runs; run++) {
    for (const [name, argv] of Object.entries(subjects)) {
      const ms = cpuMs(argv)
      if (run >= 0) samples[name] = [...(samples[name] ?? []), ms]
    }
  }
  const base = median(samples["hello"] ?? [])
  const size = { hello: statSync(hello).size, hyperion: statSync(binary).size }
  console.log(
    JSON.stringify(
      {
        bench: "startup",
        unit: "ms of CPU, median",
        runs,
        bytes: { ...size, more: size.hyperion - size.hello },
        results: Object.fromEntries(
          Object.entries(samples).map(([name, all]) => [
            name,
            { cpu_ms: median(all), ratio: Number((median(all) / base).toFixed(2)) },
          ]),
        ),
        goals: { ratio: 1.5, more_bytes: 5_000_000 },
      },
      null,
      2,
    ),
  )
} finally {
  rmSync(folder, { recursive: true, force: true })
}
