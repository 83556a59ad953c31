/**
 * The one command before a push: format and lint, types, generated files, the binary, all tests. One line per step;
 * the last line is `N passed, N failed`, where a failed step besides the tests counts as one failure.
 */
import { existsSync } from "node:fs"
import { join, resolve } from "node:path"

const root = resolve(import.meta.dir, "..")
const bun = process.execPath
const tool = (name: string): string => join(root, "node_modules/.bin", name)

interface Step {
  readonly name: string
  readonly argv: readonly string[]
}

interface Ran {
  readonly ok: boolean
  readonly output: string
}

const run = async ({ name, argv }: Step): Promise<Ran> => {
  const start = performance.now()
  const child = Bun.spawn([...argv], { cwd: root, stdin: "ignore", stdout: "pipe", stderr: "pipe" })
  const [stdout, stderr, code] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ])
  const ok = code === 0
  const output = `${stdout}${stderr}`
  if (!ok) console.log(output.trimEnd())
  console.log(`${ok ? "ok  " : "FAIL"} ${name} ${((performance.now() - start) / 1000).toFixed(1)}s`)
  return { ok, output }
}

const schemas = join(root, "scripts/schemas.ts")
const steps: readonly Step[] = [
  { name: "format and lint", argv: [tool("biome"), "check", "--error-on-warnings", "."] },
  { name: "types", argv: [tool("tsc"), "-p", "tsconfig.json"] },
  { name: "effects", argv: [tool("effect-tsgo"), "diagnostics", "--project", "tsconfig.json"] },
  ...(existsSync(schemas) ? [{ name: "schemas", argv: [bun, schemas, "--check"] }] : []),
  { name: "build", argv: [bun, "scripts/build.ts"] },
]

/** The sum that `bun test` prints at its end (` 12 pass`, ` 0 fail`, ` 1 error`). */
const count = (output: string, word: string): number =>
  [...output.matchAll(new RegExp(`^\\s*(\\d+) ${word}s?$`, "gm"))].reduce((sum, [, n]) => sum + Number(n), 0)

let failedSteps = 0
for (const step of steps) if (!(await run(step)).ok) failedSteps++

const tests = await run({ name: "tests", argv: [bun, "test"] })
const passed = count(tests.output, "pass")
const failedTests = count(tests.output, "fail") + count(tests.output, "error")
const silent = tests.ok === failedTests > 0 || passed + failedTests === 0 ? 1 : 0
const failed = failedSteps + failedTests + silent
console.log(`${passed} passed, ${failed} failed`)
process.exitCode = failed === 0 ? 0 : 1
