/**
 * Compiles dist/hyperion and proves it. `--no-smoke` skips the proof, `--outfile FILE` writes elsewhere,
 * `--sourcemap` makes traces (HYPERION_LOG=debug) name files and lines of the source.
 * Exit 0 only when the binary exists, carries no path of this machine and passed its smoke test.
 */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, statSync } from "node:fs"
import { dirname, join, resolve } from "node:path"
import { parseArgs } from "node:util"
import { smoke } from "./smoke.ts"

const root = resolve(import.meta.dir, "..")

class BuildFailed extends Error {}

const git = (...args: readonly string[]): string | undefined => {
  const run = Bun.spawnSync(["git", "-C", root, ...args], { stdin: "ignore", stderr: "ignore" })
  return run.exitCode === 0 ? run.stdout.toString().trim() : undefined
}

/** The commit that is compiled; `-dirty` when a tracked file differs from it. */
const commit = (): string => {
  const head = git("rev-parse", "HEAD")
  if (head === undefined) return "unknown"
  return git("status", "--porcelain", "--untracked-files=no") === "" ? head : `${head}-dirty`
}

/** How often `text` occurs in a file. A short path can be in the runtime itself, so the runtime is the yardstick. */
const occurrences = (file: string, text: string): number => {
  const bytes = readFileSync(file)
  let count = 0
  for (let at = bytes.indexOf(text); at !== -1; at = bytes.indexOf(text, at + text.length)) count++
  return count
}

/** Returns the path of the binary. */
const compileInto = (folder: string, version: string, sourcemap: boolean): string => {
  const binary = join(folder, "hyperion")
  const run = Bun.spawnSync(
    [
      process.execPath,
      "build",
      "--compile",
      "--minify",
      "--bytecode",
      "--format=esm",
      "--splitting",
      // Deeper functions are compiled when they are first called: 0.6 MB less, `enqueue` takes 1.08x.
      "--bytecode-depth=2",
      // 1.3 MB. Builds are reproducible, so a trace of a released binary is read with a build of the same commit.
      ...(sourcemap ? ["--sourcemap"] : []),
      "--no-compile-autoload-dotenv",
      "--no-compile-autoload-bunfig",
      // A command lives for tens of milliseconds, in which compiling cost half of its CPU: with 100 times the usual
      // thresholds `enqueue` takes 0.57x and a worker that drains 850 entries no more than before.
      "--compile-jit-policy=100",
      "--define",
      `HYPERION_VERSION=${JSON.stringify(version)}`,
      "--define",
      `HYPERION_COMMIT=${JSON.stringify(commit())}`,
      "src/main.ts",
      "--outfile",
      binary,
    ],
    { cwd: root, stdin: "ignore", stdout: "ignore", stderr: "inherit" },
  )
  if (run.exitCode !== 0) throw new BuildFailed(`bun build ended with ${run.exitCode}`)
  if (!existsSync(binary) || statSync(binary).size === 0) throw new BuildFailed("bun build wrote no binary")
  if (occurrences(binary, root) > occurrences(process.execPath, root)) {
    throw new BuildFailed("the binary contains the path of this checkout")
  }
  return binary
}

const compile = (outfile: string, sourcemap: boolean): void => {
  const pkg = JSON.parse(readFileSync(join(root, "package.json"), "utf8"))
  const wanted = `bun@${Bun.version}`
  if (pkg.packageManager !== wanted) {
    throw new BuildFailed(`this is ${wanted}, the project is pinned to ${pkg.packageManager}`)
  }
  // Bun can exit 0 without writing a file, so an older binary must not pass for the new one. With
  // --sourcemap it also leaves a copy of every map beside the binary that already holds them.
  mkdirSync(dirname(outfile), { recursive: true })
  const folder = mkdtempSync(join(dirname(outfile), ".build-"))
  try {
    renameSync(compileInto(folder, pkg.version, sourcemap), outfile)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

const { values } = parseArgs({
  options: {
    "no-smoke": { type: "boolean" },
    outfile: { type: "string", default: "dist/hyperion" },
    sourcemap: { type: "boolean", default: false },
  },
})
const outfile = resolve(root, values.outfile)
try {
  compile(outfile, values.sourcemap)
  const problems = values["no-smoke"] ? [] : await smoke(outfile)
  if (problems.length > 0) throw new BuildFailed(`smoke test:\n  ${problems.join("\n  ")}`)
  console.log(
    `${values.outfile}: ${statSync(outfile).size} bytes${values["no-smoke"] ? "" : ", smoke test passed"}`,
  )
} catch (cause) {
  if (!(cause instanceof BuildFailed)) throw cause
  console.error(`build failed: ${cause.message}`)
  process.exitCode = 1
}
