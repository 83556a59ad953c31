import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { COMMANDS } from "../src/cli/commands.ts"

/** Every command line that names a command, as words. */
export const commandNames = (): readonly (readonly string[])[] =>
  Object.entries(COMMANDS).flatMap(([name, node]) =>
    "load" in node ? [[name]] : [[name], ...Object.keys(node.subcommands).map((sub) => [name, sub])],
  )

const surfaces = (): readonly (readonly string[])[] => [
  ["--version"],
  ["--version", "--format", "json"],
  ["--help"],
  ["help", "exit-codes"],
  ["help", "environment"],
  ...commandNames().map((words) => [...words, "--help"]),
]

/** A folder as an agent could leave it: files that a Bun program runs or reads unless it was built not to. */
const setTrap = (folder: string): string => {
  const canary = join(folder, "canary")
  const write = `require("node:fs").writeFileSync(${JSON.stringify(canary)}, "ran")`
  writeFileSync(join(folder, "preload.cjs"), write)
  writeFileSync(
    join(folder, "bunfig.toml"),
    'preload = ["./preload.cjs"]\n[test]\npreload = ["./preload.cjs"]\n',
  )
  writeFileSync(join(folder, ".env"), "FORCE_COLOR=1\nHYPERION_LOG=trace\n")
  writeFileSync(
    join(folder, "package.json"),
    '{"main": "./preload.cjs", "scripts": {"preinstall": "touch canary"}}',
  )
  writeFileSync(join(folder, "tsconfig.json"), "{")
  return canary
}

/** Runs every surface of the compiled `binary` from an empty folder and from a hostile one. Returns the problems. */
export const smoke = async (binary: string): Promise<readonly string[]> => {
  const base = mkdtempSync(join(tmpdir(), "hyperion-smoke-"))
  const env = { HOME: base, PATH: process.env["PATH"] ?? "" }
  const problems: string[] = []
  const run = async (cwd: string, args: readonly string[]): Promise<string> => {
    const child = Bun.spawn([binary, ...args], { cwd, env, stdin: "ignore", stdout: "pipe", stderr: "pipe" })
    const [stdout, stderr, code] = await Promise.all([
      new Response(child.stdout).text(),
      new Response(child.stderr).text(),
      child.exited,
    ])
    if (code !== 0 || stderr !== "" || stdout === "") {
      problems.push(`hyperion ${args.join(" ")}: exit ${code}, ${stdout.length} bytes out, stderr: ${stderr}`)
    }
    return stdout
  }
  try {
    const empty = join(base, "empty")
    const hostile = join(base, "hostile")
    mkdirSync(empty)
    mkdirSync(hostile)
    const canary = setTrap(hostile)
    for (const args of surfaces()) {
      const [plain, trapped] = await Promise.all([run(empty, args), run(hostile, args)])
      if (plain !== trapped) problems.push(`hyperion ${args.join(" ")}: the folder's files change its output`)
    }
    if (existsSync(canary)) problems.push("a preload of the folder's bunfig.toml was executed")
  } finally {
    rmSync(base, { recursive: true, force: true })
  }
  return problems
}
