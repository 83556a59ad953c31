import { describe, expect, test } from "bun:test"
import { defineCommand } from "../../src/cli/command.ts"
import type { CommandTable } from "../../src/cli/commands.ts"
import { dispatch } from "../../src/cli/dispatch.ts"
import { OutputClosed, OutputFailed } from "../../src/platform/stdio.ts"
import { run, TABLE } from "./support.ts"

describe("a defect", () => {
  test("is one line without a stack trace", async () => {
    expect(await run(["broken"], TABLE)).toEqual({
      code: 1,
      stdout: "",
      stderr:
        "error: internal error: boom\\u{a}\\u{1b}[31mred; hint: run the same command with HYPERION_LOG=debug\n",
    })
  })

  test("shows its trace, sanitised, when HYPERION_LOG asks", async () => {
    const { stderr } = await run(["broken"], TABLE, { env: { HYPERION_LOG: "debug" } })
    expect(stderr).toMatch(/\n +at .*\n.*error: internal error/s)
    expect(stderr).not.toContain("\u001b")
    const off = await run(["broken"], TABLE, { env: { HYPERION_LOG: "off" } })
    expect(off.stderr).not.toContain("\n ")
  })
})

describe("with --format json an error is one JSON line on stderr", () => {
  test.each([
    [["broken", "--format", "json"], 1, "internal"],
    [["--format=json", "broken"], 1, "internal"],
    [["nope", "--format", "jsonl"], 2, "unknown_command"],
    [["probe", "--format", "json"], 2, "missing_argument"],
  ] as const)("%p", async (argv, code, name) => {
    const ran = await run(argv, TABLE)
    expect([ran.code, ran.stdout, ran.stderr.split("\n").length]).toEqual([code, "", 2])
    const { error } = JSON.parse(ran.stderr)
    expect(Object.keys(error)).toEqual(["code", "message", "hint", "retryable"])
    expect(error).toMatchObject({ code: name, retryable: false })
  })
})

describe("when stdout cannot be written", () => {
  const commands: CommandTable = {
    say: {
      summary: "Say a word",
      load: () =>
        Promise.resolve({
          default: defineCommand({
            args: {},
            examples: [],
            run: async ({ output }) => {
              output.data("word")
              return 0
            },
          }),
        }),
    },
  }
  const ending = async (thrown: Error): Promise<readonly [number, string]> => {
    let stderr = ""
    const terminal = { isTTY: false, columns: undefined, color: false }
    const failing = {
      terminal,
      write: () => {
        throw thrown
      },
    }
    const recording = {
      terminal,
      write: (text: string) => {
        stderr += text
      },
    }
    const open = () => Promise.resolve({ stdout: failing, stderr: recording })
    const code = await dispatch(["say"], { env: {}, open }, commands)
    return [code, stderr]
  }

  test("because its reader has gone, the program ends quietly with 141", async () => {
    expect(await ending(new OutputClosed())).toEqual([141, ""])
  })

  test("because the disk is full, it says so", async () => {
    expect(await ending(new OutputFailed("ENOSPC", {}))).toEqual([
      1,
      "error: cannot write to stdout: ENOSPC\n",
    ])
  })
})
