import { afterAll, describe, expect, test } from "bun:test"
import { existsSync, mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join, resolve } from "node:path"
import { smoke } from "../../scripts/smoke.ts"
import { EXIT_CODES } from "../../src/cli/exit-codes.ts"

const binary = resolve(import.meta.dir, "../../dist/hyperion")
const folder = mkdtempSync(join(tmpdir(), "hyperion-e2e-"))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** Runs a shell line in an empty folder; `hyperion` in it is the compiled binary. */
const shell = (line: string, env: Readonly<Record<string, string>> = {}) => {
  const run = Bun.spawnSync(["bash", "-c", `hyperion() { "${binary}" "$@"; }; ${line}`], {
    cwd: folder,
    env: { HOME: folder, PATH: process.env["PATH"] ?? "", ...env },
    stdin: "ignore",
  })
  return { code: run.exitCode, stdout: run.stdout.toString(), stderr: run.stderr.toString() }
}

// `bun run check` builds the binary before the tests; alone, these tests need `bun run build`.
describe.skipIf(!existsSync(binary))("the compiled binary", () => {
  test("every surface runs from an empty folder and ignores a hostile bunfig.toml, .env and tsconfig.json", async () => {
    expect(await smoke(binary)).toEqual([])
  })

  test("knows its version and commit", () => {
    const { code, stdout } = shell("hyperion --version --format json")
    expect(code).toBe(0)
    expect(JSON.parse(stdout)).toMatchObject({
      name: "hyperion",
      version: expect.stringMatching(/^\d+\.\d+\.\d+/),
    })
    expect(JSON.parse(stdout).commit).toMatch(/^(?:[0-9a-f]{40}(?:-dirty)?|unknown)$/)
  })

  test.each([
    ["hyperion lst", 'error: unknown command "lst" (did you mean list?); hint: hyperion --help\n'],
    [
      "hyperion list --limt 3",
      "error: unknown flag --limt (did you mean --limit?); hint: hyperion list --help\n",
    ],
    ["hyperion list extra", 'error: unexpected argument "extra"; hint: hyperion list --help\n'],
    ["hyperion list --limit", "error: flag --limit needs a value; hint: hyperion list --help\n"],
  ])("%s: exit 2 and one line", (line, stderr) => {
    expect(shell(line)).toEqual({ code: 2, stdout: "", stderr })
  })

  test("documents its exit codes", () => {
    const { stdout } = shell("hyperion help exit-codes")
    for (const { name } of EXIT_CODES) expect(stdout).toContain(name)
  })

  test("a hostile word reaches neither stream as a control sequence", () => {
    const { code, stderr } = shell(
      `hyperion $'\\e]0;x\\a\\r' 2>&1 >/dev/null | cat -v >&2; exit "\${PIPESTATUS[0]}"`,
    )
    expect([code, stderr]).toEqual([
      2,
      'error: unknown command "\\u{1b}]0;x\\u{7}\\u{d}"; hint: hyperion --help\n',
    ])
  })

  test("no colour in a pipe; FORCE_COLOR brings it, NO_COLOR takes it back", () => {
    expect(shell("hyperion --help").stdout).not.toContain("\u001b")
    expect(shell("hyperion --help", { FORCE_COLOR: "1" }).stdout).toContain("\u001b[1m")
    expect(shell("hyperion --help", { FORCE_COLOR: "1", NO_COLOR: "0" }).stdout).not.toContain("\u001b")
  })

  // Plain answers and commands write in different ways; both must notice.
  test.each(["--help", "help exit-codes"])("%s ends quietly with 141 when the reader has gone", (args) => {
    const { code, stderr } = shell(`exec 3> >(exec 0<&-); wait $!; hyperion ${args} >&3; echo "$?" >&2`)
    expect([code, stderr]).toEqual([0, "141\n"])
  })

  test.each(["--help", "help exit-codes"])("%s on a full disk is an error, not a silence", (args) => {
    expect(shell(`hyperion ${args} > /dev/full`)).toEqual({
      code: 1,
      stdout: "",
      stderr: "error: cannot write to stdout: ENOSPC\n",
    })
  })

  test("in a terminal it colours, and NO_COLOR, TERM=dumb and --no-color take it away", async () => {
    const inTerminal = async (
      args: readonly string[],
      env: Readonly<Record<string, string>>,
    ): Promise<string> => {
      let seen = ""
      const child = Bun.spawn([binary, ...args], {
        cwd: folder,
        env: { HOME: folder, TERM: "xterm", ...env },
        terminal: {
          cols: 80,
          rows: 24,
          data: (_, bytes) => {
            seen += Buffer.from(bytes).toString()
          },
        },
      })
      await child.exited
      child.terminal?.close()
      return seen
    }
    expect(await inTerminal(["--help"], {})).toContain("\u001b[1m")
    expect(await inTerminal(["--help"], { NO_COLOR: "1" })).not.toContain("\u001b[1m")
    expect(await inTerminal(["--help"], { TERM: "dumb" })).not.toContain("\u001b[1m")
    expect(await inTerminal(["--help", "--no-color"], {})).not.toContain("\u001b[1m")
  })
})
