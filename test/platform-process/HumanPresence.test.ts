import { expect, test } from "bun:test"
import { join } from "node:path"

const CHILD = join(import.meta.dir, "presence-child.ts")
const ENV = { PATH: process.env["PATH"] ?? "", HOME: "/nonexistent" }

/** Runs the child on a terminal and types `keys` when it has asked. */
const onTerminal = async (keys: string, env: Record<string, string> = {}) => {
  let screen = ""
  let typed = false
  const child = Bun.spawn([process.execPath, CHILD], {
    env: { ...ENV, ...env },
    terminal: {
      cols: 80,
      rows: 24,
      data: (terminal, data) => {
        screen += Buffer.from(data).toString("utf8")
        if (!typed && screen.includes("path?")) {
          typed = true
          terminal.write(keys)
        }
      },
    },
  })
  const code = await child.exited
  const line = /\{"report".*\}/.exec(screen)?.[0]
  return { code, screen, seen: line === undefined ? null : JSON.parse(line) }
}

test("asks on the terminal and reads one line; nothing acts on the screen", async () => {
  const { screen, seen } = await onTerminal("3f9a1c\r")
  expect(seen).toMatchObject({ report: { terminal: true }, answer: "3f9a1c" })
  expect(screen).toContain("evil \\u{1b}[2J path?")
  expect(screen).not.toContain("\u001b[2J")
})

test("the end of input is an empty answer", async () => {
  const { seen } = await onTerminal("\u0004")
  expect(seen).toMatchObject({ answer: "" })
})

test("Ctrl-C gets through while it waits", async () => {
  const { code, seen } = await onTerminal("\u0003")
  expect(seen).toBeNull()
  expect(code).not.toBe(0)
})

test("an agent's variable is seen, also on a terminal", async () => {
  const { seen } = await onTerminal("\r", { GEMINI_CLI: "1" })
  expect(seen.report.agent).toBe("the variable GEMINI_CLI")
})

test("without a terminal nobody is asked", async () => {
  const child = Bun.spawn([process.execPath, CHILD], {
    env: ENV,
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  })
  expect(JSON.parse(await new Response(child.stdout).text())).toMatchObject({
    report: { terminal: false },
    answer: null,
  })
})

// Only Linux shows its processes as files.
test.skipIf(process.platform !== "linux")("an agent among the parents is seen", async () => {
  const script = `exec -a codex bash -c '"$0" "$1"; true' "$0" "$1"`
  const child = Bun.spawn(["bash", "-c", script, process.execPath, CHILD], {
    env: ENV,
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  })
  expect(JSON.parse(await new Response(child.stdout).text()).report.agent).toContain("codex")
})
