import { describe, expect, test } from "bun:test"
import { commandNames } from "../../scripts/smoke.ts"
import { COMMANDS } from "../../src/cli/commands.ts"
import { EXIT_CODES } from "../../src/cli/exit-codes.ts"
import { GLOBAL_FLAGS } from "../../src/cli/globals.ts"
import { run, TABLE } from "./support.ts"

const leaves = Object.entries(COMMANDS).flatMap(([name, node]) =>
  "load" in node
    ? [{ words: [name], entry: node }]
    : Object.entries(node.subcommands).map(([sub, entry]) => ({ words: [name, sub], entry })),
)

describe("help", () => {
  test("--help, -h, help and nothing at all print the same on stdout with exit 0", async () => {
    const [flag, ...others] = await Promise.all([["--help"], ["-h"], ["help"], []].map((argv) => run(argv)))
    expect(flag).toMatchObject({ code: 0, stderr: "" })
    for (const other of others) expect(other).toEqual(flag!)
    for (const name of Object.keys(COMMANDS)) expect(flag!.stdout).toContain(`\n  ${name} `)
  })

  test("the help of the whole program loads no command", async () => {
    const load = () => Promise.reject(new Error("loaded"))
    const { code } = await run(["--help"], { one: { summary: "One", load } })
    expect(code).toBe(0)
  })

  test.each(commandNames().map((words) => [words] as const))("of %p", async (words) => {
    const asFlag = await run([...words, "--help"])
    expect(asFlag).toMatchObject({ code: 0, stderr: "" })
    expect(asFlag.stdout).toContain(`hyperion ${words.join(" ")}`)
    expect(asFlag.stdout.split("\n").filter((line) => line.length > 100 || line.endsWith(" "))).toEqual([])
    expect(await run(["help", ...words])).toEqual(asFlag)
  })

  test("shows arguments, flags with their values, and examples", async () => {
    const { stdout } = await run(["approve", "--help"])
    for (const text of [
      "USAGE\n  hyperion approve [flags] ID...",
      "--acknowledge PATH",
      "(may be repeated)",
      "EXAMPLES",
    ]) {
      expect(stdout).toContain(text)
    }
    expect((await run(["requeue", "--help"])).stdout).toContain("hyperion requeue --reason TEXT ID")
  })

  test("wins over an unfinished or wrong rest, but not after --", async () => {
    expect((await run(["enqueue", "--bogus", "--help"])).code).toBe(0)
    expect((await run(["probe", "--", "--help"], TABLE)).stdout).toContain('"file":"--help"')
  })

  test("exit-codes names every code; environment names the variables", async () => {
    const { stdout } = await run(["help", "exit-codes"])
    for (const { code, name, description } of EXIT_CODES) {
      expect(stdout).toMatch(new RegExp(`\\n +${code}  ${name} +${description.replaceAll(".", "\\.")}\\n`))
    }
    expect((await run(["help", "environment"])).stdout).toContain("NO_COLOR")
  })

  test.each([
    ["enqeue", "enqueue"],
    ["exit-code", "exit-codes"],
  ])("of %s suggests %s", async (typed, meant) => {
    const { code, stderr } = await run(["help", typed])
    const says = `error: no command or topic "${typed}" (did you mean ${meant}?); hint: hyperion --help\n`
    expect([code, stderr]).toEqual([2, says])
  })
})

describe("every command", () => {
  test.each(leaves)(
    "$words has described arguments and examples that its own parser accepts",
    async ({ words, entry }) => {
      const command = (await entry.load()).default
      for (const def of Object.values(command.args)) expect(def.description).toMatch(/^[A-Z].*[^.]$/)
      // A command may print more formats than the others.
      for (const key of Object.keys(command.args))
        if (key !== "format") expect(Object.keys(GLOBAL_FLAGS)).not.toContain(key)
      expect(command.examples.length).toBeGreaterThanOrEqual(2)
      const stub = {
        load: () => Promise.resolve({ default: { ...command, run: () => Promise.resolve(0) } }),
        summary: "",
      }
      const [first, second] = words
      const table = {
        [first!]: second === undefined ? stub : { ...COMMANDS[first!]!, subcommands: { [second]: stub } },
      }
      for (const [example] of command.examples) {
        const typed = example.replace(/ < .*$/, "").match(/"[^"]*"|\S+/g)!
        const argv = typed.slice(1).map((word) => word.replaceAll('"', ""))
        expect(await run(argv, table)).toEqual({ code: 0, stdout: "", stderr: "" })
      }
    },
  )

  test("refuses flags that exclude each other", async () => {
    for (const argv of [
      ["worker", "--once", "--drain"],
      ["propose"],
      ["propose", "--ref", "a", "--from", "b"],
    ]) {
      expect((await run(argv)).code).toBe(2)
    }
  })
})

describe("--version", () => {
  test("before or after a command, as text and as JSON", async () => {
    expect((await run(["--version"])).stdout).toMatch(/^hyperion \S+ \(\S+\)\n$/)
    expect((await run(["list", "--version"])).stdout).toMatch(/^hyperion /)
    const { code, stdout } = await run(["-V", "--format", "json"])
    expect([code, Object.keys(JSON.parse(stdout))]).toEqual([
      0,
      ["schema_version", "name", "version", "commit"],
    ])
  })
})
