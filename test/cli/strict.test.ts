import { describe, expect, test } from "bun:test"
import * as FastCheck from "effect/FastCheck"
import { given, run, TABLE } from "./support.ts"

const probe = (...argv: readonly string[]) => run(["probe", ...argv], TABLE)

/** Exit 2, nothing on stdout, one line on stderr that says what and has a hint. */
const refused = async (argv: readonly string[], ...says: readonly string[]): Promise<void> => {
  const { code, stdout, stderr } = await run(argv, TABLE)
  expect({ argv, code, stdout }).toEqual({ argv, code: 2, stdout: "" })
  expect(stderr).toMatch(/^error: [^\n]+; hint: hyperion [^\n]*\n$/)
  for (const text of says) expect(stderr).toContain(text)
}

describe("what citty accepts silently is refused", () => {
  test.each([
    ["an unknown flag", ["probe", "a", "--bogus"], "unknown flag --bogus"],
    ["a misspelt flag", ["probe", "a", "--max-attemps", "3"], "did you mean --max-attempts?"],
    ["a misspelt switch", ["probe", "a", "--dry-rn"], "did you mean --dry-run?"],
    ["the camelCase form of a flag", ["probe", "a", "--maxAttempts=3"], "did you mean --max-attempts?"],
    ["unknown short flags", ["probe", "a", "-yx"], "unknown flag -yx"],
    ["a negated switch", ["probe", "a", "--no-dry-run"], "unknown flag --no-dry-run"],
    ["a positional given as a flag", ["single", "--id", "5"], "unknown flag --id"],
    ["an extra argument", ["single", "a", "b"], 'unexpected argument "b"'],
    ["a missing argument", ["single"], "missing argument ID"],
    ["an empty argument", ["single", ""], "an argument is empty"],
    ["a flag without its value at the end", ["probe", "a", "--note"], "flag --note needs a value"],
    ["a flag without its value before a flag", ["probe", "a", "--note", "--dry-run"], "--note needs a value"],
    ["an empty value", ["probe", "a", "--note="], "flag --note needs a value"],
    ["a switch with a value", ["probe", "a", "--dry-run=false"], "flag --dry-run takes no value"],
    ["a repeated flag", ["probe", "a", "--note", "x", "--note", "y"], "--note was given more than once"],
    ["a bad enum value", ["probe", "a", "--mode", "fsat"], "one of fast, slow (did you mean fast?)"],
    ["a bad value among repeated ones", ["probe", "a", "--state=pending", "--state=gone"], '"gone"'],
    ["a number that is none", ["probe", "a", "--max-attempts", "3x"], "a whole number from 1 to 100"],
    ["a number below its range", ["probe", "a", "--max-attempts", "-5"], '"-5"'],
    ["a number above its range", ["probe", "a", "--max-attempts", "101"], '"101"'],
    ["a fraction", ["probe", "a", "--max-attempts", "1.5"], '"1.5"'],
    ["a time that is none", ["probe", "a", "--since", "yesterday"], "a duration such as 2h"],
    ["a day that does not exist", ["probe", "a", "--since", "2026-02-30"], '"2026-02-30"'],
    ["a bad global value", ["probe", "a", "--format", "xml"], "one of text, json, jsonl"],
    ["an unknown flag before the command", ["--bogus", "probe", "a"], "unknown flag --bogus"],
    ["an unknown command", ["prob"], 'unknown command "prob" (did you mean probe?)'],
    ["a word of every object", ["constructor"], 'unknown command "constructor"'],
    ["a flag of every object", ["probe", "a", "--__proto__=1"], "unknown flag --__proto__"],
    ["an unknown nested command", ["nest", "oen"], "did you mean one?"],
    ["a group without its command", ["nest"], "nest needs one of: one"],
  ] as const)("%s", (_, argv, says) => refused(argv, says))

  test("the hint names the command's own help, nested names in full", async () => {
    await refused(["nest", "one", "--x"], "; hint: hyperion nest one --help\n")
  })

  test("nothing typed reaches the error line as a control sequence", async () => {
    await refused(["probe", "\u001b[2J\nerror: forged", "x", "--\u009b31m"], "\\u{9b}")
    await refused(["\u202e\u001b]0;title\u0007\n"], "\\u{202e}\\u{1b}]0;title\\u{7}\\u{a}")
  })
})

describe("what is well formed arrives", () => {
  test("values, arrays, numbers, times and switches", async () => {
    const { args } = given(
      await probe(
        ...["a.json", "--path", "x", "--max-attempts=7", "--path=y", "--dry-run", "b", "-"],
        ...[
          "--state",
          "pending",
          "--state=applied",
          "--mode",
          "slow",
          "--since",
          "1.5h",
          "--note=--x",
          "--",
          "--z",
        ],
      ),
    )
    expect(args).toEqual({
      file: "a.json",
      others: ["b", "-", "--z"],
      note: "--x",
      path: ["x", "y"],
      state: ["pending", "applied"],
      mode: "slow",
      maxAttempts: 7,
      since: { kind: "ago", ms: 5_400_000 },
      dryRun: true,
    })
  })

  test("what is absent is undefined, false or empty", async () => {
    const { args } = given(await probe("a"))
    expect(args).toEqual({ file: "a", others: [], path: [], state: [], dryRun: false })
  })

  test.each([
    [["--root", "/w", "--format=json", "probe", "--quiet", "a", "--db=x.db"]],
    [["probe", "a", "--root=/w", "--db", "x.db", "--quiet", "--format", "json"]],
  ])("global flags before and after the command: %p", async (argv) => {
    const { globals } = given(await run(argv, TABLE))
    expect(globals).toEqual({ root: "/w", db: "x.db", format: "json", quiet: true, color: false })
  })

  test("global flags between the words of a nested command", async () => {
    expect(given(await run(["nest", "--root", "/w", "one", "--quiet", "7"], TABLE)).args["id"]).toBe("7")
  })

  test("a group's fallback takes the flags that follow", async () => {
    await refused(["soft", "--bogus"], "hyperion soft one --help")
    await refused(["soft"], "missing argument ID")
  })

  test("any text survives as a value, as a repeated value and as an argument", () =>
    FastCheck.assert(
      FastCheck.asyncProperty(
        FastCheck.array(FastCheck.fullUnicodeString({ minLength: 1 }), { minLength: 1, maxLength: 4 }),
        async (texts) => {
          const [first] = texts
          const flags = texts.map((text) => `--path=${text}`)
          const { args } = given(await probe(`--note=${first}`, ...flags, "--", ...texts))
          expect(args).toMatchObject({ note: first, path: texts, file: first, others: texts.slice(1) })
        },
      ),
      { numRuns: 200 },
    ))

  test("no command line ends in anything but success or a one-line refusal", () => {
    const word = FastCheck.oneof(
      FastCheck.constantFrom(
        "probe",
        "nest",
        "one",
        "--note",
        "--path=x",
        "--",
        "-",
        "-5",
        "--format",
        "json",
      ),
      FastCheck.string({ maxLength: 6 }),
    )
    return FastCheck.assert(
      FastCheck.asyncProperty(FastCheck.array(word, { maxLength: 8 }), async (argv) => {
        const { code, stderr } = await run(argv, TABLE)
        if (code === 0) expect(stderr).toBe("")
        else expect([code, stderr.split("\n").length]).toEqual([2, 2])
      }),
      { numRuns: 500 },
    )
  })
})
