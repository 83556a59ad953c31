import { describe, expect, test } from "bun:test"
import * as FastCheck from "effect/FastCheck"
import { commandArgv, splitCommand } from "../../src/domain/command.ts"

describe("splitCommand", () => {
  test.each([
    ["npm test", ["npm", "test"]],
    ["  npm \t run   lint  ", ["npm", "run", "lint"]],
    [`tool 'a b' "c d" e\\ f`, ["tool", "a b", "c d", "e f"]],
    [`tool a'b'"c"d`, ["tool", "abcd"]],
    [`tool '' ""`, ["tool", "", ""]],
    [`tool "\\" \\\\ \\n" '\\'`, ["tool", '" \\ \\n', "\\"]],
    ["tool src/**/*.ts --x=1 a#b a~", ["tool", "src/**/*.ts", "--x=1", "a#b", "a~"]],
    [`tool '$HOME' '|' ";"`, ["tool", "$HOME", "|", ";"]],
  ])("%s", (text, words) => expect(splitCommand(text)).toEqual({ ok: true, value: words as [string] }))

  test.each([
    "a | b",
    "a && b",
    "a; b",
    "a > f",
    "a < f",
    "a $HOME",
    `a "$HOME"`,
    "a `id`",
    `a "\`id\`"`,
    "a (b)",
    "X=1 a",
    "a ~/b",
    "a # b",
    "a\nb",
    "a 'b",
    `a "b`,
    "a \\",
    "",
    "   ",
    "'' a",
  ])("refuses %j", (text) => expect(splitCommand(text).ok).toBe(false))

  test("words in single quotes come back as they were", () => {
    const words = FastCheck.array(FastCheck.string(), { minLength: 1 })
    FastCheck.assert(
      FastCheck.property(words, (list) => {
        const argv = ["tool", ...list]
        const text = argv.map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(" ")
        expect(splitCommand(text)).toEqual({ ok: true, value: argv as [string] })
      }),
    )
  })
})

describe("commandArgv", () => {
  test("an array is taken as it is", () => {
    expect(commandArgv(["a b", "$x", "|"])).toEqual({ ok: true, value: ["a b", "$x", "|"] })
    expect(commandArgv([""]).ok).toBe(false)
  })
})
