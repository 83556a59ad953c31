import { afterAll, beforeAll, describe, expect } from "bun:test"
import { readFileSync } from "node:fs"
import { agentProcess, parseStat } from "../../src/platform/agent-traces.ts"
import { BINARY, hasBinary, requestOf } from "../support/workspace.ts"
import { binaryTest, type E2e, expectError, openE2e } from "./support.ts"

let shop: E2e
beforeAll(() => {
  if (hasBinary) shop = openE2e({ approvals: { required: 1, presence: "tty" } })
})
afterAll(() => shop?.remove())

/** The agent this test itself runs under: it cannot be hidden from the binary. */
const agentAround = (): string | null => {
  try {
    for (let pid = process.pid; pid > 1; ) {
      const stat = parseStat(readFileSync(`/proc/${pid}/stat`, "utf8"))
      if (stat === null) return null
      const agent = agentProcess(stat.name, readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0"))
      if (agent !== null) return `the test runs under ${agent}`
      pid = stat.parent
    }
  } catch {
    // A process that cannot be read ends the search, as it does in the binary.
  }
  return null
}

/** Runs a command in a terminal; `types` is asked once, when the screen asks. */
const inTerminal = async (
  args: readonly string[],
  types: (screen: string) => string,
  env: Readonly<Record<string, string>> = {},
): Promise<{ readonly code: number; readonly screen: string }> => {
  let screen = ""
  let hasTyped = false
  const decoder = new TextDecoder()
  const child = Bun.spawn([BINARY, ...args], {
    cwd: shop.root,
    env: { ...shop.env, TERM: "xterm", NO_COLOR: "1", ...env },
    terminal: {
      cols: 200,
      rows: 50,
      data: (terminal, bytes) => {
        screen += decoder.decode(bytes, { stream: true })
        if (hasTyped || !/Type the first \d+ digits/.test(screen)) return
        hasTyped = true
        terminal.write(types(screen))
      },
    },
  })
  const code = await child.exited
  child.terminal?.close()
  return { code, screen }
}
const digits = (screen: string): string => [...screen.matchAll(/\b[0-9a-f]{64}\b/g)].at(-1)![0].slice(0, 6)
const stateOf = (task: string): string =>
  JSON.parse(shop.run(["show", task, "--format", "json"]).stdout).entry.state

let serial = 0
/** A proven change that waits for a person. */
const waiting = (): string => {
  const task = `approve-${++serial}`
  shop.enqueue(requestOf(task, { [`${task}.txt`]: "x\n" }))
  expect(shop.run(["worker", "--drain"]).stdout).toContain("[approval_missing]")
  return task
}

describe("approve in a terminal", () => {
  const unless = agentAround()

  binaryTest(
    "a person reads, types the digits, and it lands",
    async () => {
      const task = waiting()
      const { code, screen } = await inTerminal(["approve", task], (seen) => `${digits(seen)}\r`)
      expect([code, screen]).toEqual([0, expect.stringContaining("it can land")])
      expect(screen).toContain(`${task}.txt`)
      expect(shop.run(["worker", "--drain"]).stdout).toContain("landed as")
      const { receipt } = JSON.parse(shop.run(["show", task, "--format", "json"]).stdout)
      expect(receipt.approvals).toMatchObject([{ approver: "ada", attested: false }])
      expect(shop.git("log", "-1", "--format=%(trailers:key=Approved-by,valueonly)")).toBe("ada")
    },
    { unless },
  )

  for (const [what, typed] of [
    ["other digits", "000000\r"],
    ["nothing", "\r"],
    ["yes", "yes\r"],
    ["the end of input", "\u0004"],
  ] as const) {
    binaryTest(
      `${what}: exit 4, nothing is approved`,
      async () => {
        const task = waiting()
        const { code, screen } = await inTerminal(["approve", task], () => typed)
        expect([code, screen]).toEqual([4, expect.stringMatching(/error: .*nothing was approved.*hint: /)])
        expect(stateOf(task)).toBe("awaiting_approval")
      },
      { unless },
    )
  }

  binaryTest(
    "Ctrl-C: exit 130, nothing is approved",
    async () => {
      const task = waiting()
      const { code } = await inTerminal(["approve", task], () => "\u0003")
      expect(code).toBe(130)
      expect(stateOf(task)).toBe("awaiting_approval")
    },
    { unless },
  )

  binaryTest("inside an agent's environment: refused before anything is asked", async () => {
    const task = waiting()
    for (const env of [
      { CLAUDECODE: "1" },
      { CODEX_SANDBOX: "seatbelt" },
      { COPILOT_CLI: "1" },
      { AGENT: "codex" },
    ]) {
      const { code, screen } = await inTerminal(
        ["approve", task],
        (seen) => `${digits(seen)}\r`,
        env as never,
      )
      expect([code, screen]).toEqual([4, expect.stringMatching(/error: .*agent.*hint: /i)])
      expect(screen).not.toContain("Type the first")
    }
    expect(stateOf(task)).toBe("awaiting_approval")
  })

  binaryTest("an agent's process among its parents: refused", async () => {
    const task = waiting()
    const child = Bun.spawnSync(
      ["bash", "-c", `exec -a claude bash -c '"$0" approve "$1"; exit $?' "$0" "$1"`, BINARY, task],
      {
        cwd: shop.root,
        env: shop.env,
        stdin: "ignore",
      },
    )
    expect(child.exitCode).toBe(4)
    expect(child.stderr.toString()).toMatch(/^error: .*claude.*; hint: /)
    expect(stateOf(task)).toBe("awaiting_approval")
  })

  binaryTest("without a terminal: refused with the ways there are", () => {
    const task = waiting()
    expectError(
      shop.run(["approve", task], { stdin: "000000\n" }),
      4,
      unless === null ? /given at a terminal.*hint: .*terminal of their own/ : /./,
    )
    expectError(shop.run(["approve", task, "--yes"]), 4, /./)
  })
})
