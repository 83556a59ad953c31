import { describe, expect, test } from "bun:test"
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import * as FastCheck from "effect/FastCheck"
import type { FileState } from "../../src/domain/files.ts"
import { rebaseChange } from "../../src/patch/rebase.ts"
import { fileAndTwoEdits, gitStatus, withDirectory } from "./git.ts"
import { file, text } from "./support.ts"

type Side = FileState | string | null
const state = (side: Side) => (typeof side === "string" ? file(side) : side)
const rebase = (base: Side, ours: Side, theirs: Side) => {
  const outcome = rebaseChange({ path: "f", base: state(base), ours: state(ours), theirs: state(theirs) })
  if (!outcome.ok) return { code: outcome.error.problem.code, ...outcome.error }
  const { after } = outcome.value
  return {
    outcome: outcome.value.outcome,
    after: after === null ? null : text(after.bytes),
    mode: after?.mode,
  }
}

const base = "a\nb\nc\nd\ne\nf\n"

describe("lines", () => {
  const cases: readonly (readonly [string, Side, Side, Side, object])[] = [
    ["ours is the base", base, base, "x\n", { outcome: "exact", after: "x\n" }],
    [
      "apart",
      base,
      "A\nb\nc\nd\ne\nf\n",
      "a\nb\nc\nd\ne\nF\n",
      { outcome: "rebased", after: "A\nb\nc\nd\ne\nF\n" },
    ],
    [
      "one line between",
      base,
      "A\nb\nc\nd\ne\nf\n",
      "a\nb\nC\nd\ne\nf\n",
      { outcome: "rebased", after: "A\nb\nC\nd\ne\nf\n" },
    ],
    [
      "moved by lines before",
      base,
      `${"n\n".repeat(50)}${base}`,
      "a\nb\nc\nd\nE\nf\n",
      { outcome: "rebased", after: `${"n\n".repeat(50)}a\nb\nc\nd\nE\nf\n` },
    ],
    ["touching", base, "A\nb\nc\nd\ne\nf\n", "a\nB\nc\nd\ne\nf\n", { code: "edits_overlap" }],
    [
      "inserted where the other changes",
      base,
      "a\nb\nX\nc\nd\ne\nf\n",
      "a\nb\nC\nd\ne\nf\n",
      { code: "edits_overlap" },
    ],
    [
      "inserted at one place",
      base,
      "a\nX\nb\nc\nd\ne\nf\n",
      "a\nY\nb\nc\nd\ne\nf\n",
      { code: "edits_overlap" },
    ],
    ["the same line", base, "a\nb\nX\nd\ne\nf\n", "a\nb\nY\nd\ne\nf\n", { code: "edits_overlap" }],
    [
      "the same change, and one more of theirs",
      base,
      "a\nb\nX\nd\ne\nf\n",
      "A\nb\nX\nd\ne\nf\n",
      { outcome: "rebased", after: "A\nb\nX\nd\ne\nf\n" },
    ],
    [
      "the same change, and one more of ours",
      base,
      "A\nb\nX\nd\ne\nf\n",
      "a\nb\nX\nd\ne\nf\n",
      { outcome: "already_applied", after: "A\nb\nX\nd\ne\nf\n" },
    ],
    ["the result is there", base, "x\n", "x\n", { outcome: "already_applied", after: "x\n" }],
    [
      "newline at the end lost",
      base,
      "A\nb\nc\nd\ne\nf\n",
      "a\nb\nc\nd\ne\nf",
      { outcome: "rebased", after: "A\nb\nc\nd\ne\nf" },
    ],
    ["both at the end", "a\nb", "a\nb\nc", "a\nb\n", { code: "edits_overlap" }],
    ["both from nothing", "", "a\n", "b\n", { code: "edits_overlap" }],
    [
      "a look-alike put before it",
      "s\n{\n a\n}\ne\n",
      "new\n{\n a\n}\ns\n{\n a\n}\ne\n",
      "s\n{\n b\n}\ne\n",
      { outcome: "rebased", after: "new\n{\n a\n}\ns\n{\n b\n}\ne\n" },
    ],
    [
      "one of two alike blocks gone, the other changed",
      "{\n a\n}\n{\n a\n}\n",
      "x\n{\n a\n}\n",
      "{\n b\n}\n{\n a\n}\n",
      { code: "edits_overlap" },
    ],
  ]
  for (const [name, from, ours, theirs, expected] of cases)
    test(name, () => {
      expect(rebase(from, ours, theirs)).toMatchObject(expected)
    })
})

describe("modes and types", () => {
  const binary = (last: number) => file(Uint8Array.of(0, last))
  const link = (target: string) => file(target, "120000")
  const cases: readonly (readonly [string, Side, Side, Side, object])[] = [
    [
      "mode by theirs, content by ours",
      file("a"),
      file("b"),
      file("a", "100755"),
      { outcome: "rebased", after: "b", mode: "100755" },
    ],
    [
      "content by theirs, mode by ours",
      file("a"),
      file("a", "100755"),
      file("b"),
      { outcome: "rebased", after: "b", mode: "100755" },
    ],
    [
      "mode by both, content by theirs",
      file("a"),
      file("a", "100755"),
      file("b", "100755"),
      { outcome: "rebased", after: "b", mode: "100755" },
    ],
    [
      "mode by theirs, binary content by ours",
      binary(1),
      binary(2),
      { ...binary(1), mode: "100755" },
      { outcome: "rebased", mode: "100755" },
    ],
    ["binary by both", binary(1), binary(2), binary(3), { code: "not_mergeable" }],
    ["binary by theirs only", binary(1), binary(1), binary(3), { outcome: "exact" }],
    ["link by both", link("a"), link("b"), link("c"), { code: "not_mergeable" }],
    ["link by theirs only", link("a"), link("a"), link("c"), { outcome: "exact" }],
    ["became a link", file("a"), link("a"), file("b"), { code: "not_mergeable" }],
    ["added", null, null, "a", { outcome: "exact" }],
    ["added alike", null, "a", "a", { outcome: "already_applied" }],
    ["added otherwise", null, "b", "a", { code: "added_differently" }],
    ["added with another mode", null, file("a", "100755"), "a", { code: "added_differently" }],
    ["deleted", "a", "a", null, { outcome: "exact", after: null }],
    ["deleted by both", "a", null, null, { outcome: "already_applied", after: null }],
    ["deleted here, changed there", "a", null, "b", { code: "deleted_meanwhile" }],
    ["changed here, deleted there", "a", "b", null, { code: "changed_meanwhile" }],
    ["mode changed here, deleted there", "a", file("a", "100755"), null, { code: "changed_meanwhile" }],
  ]
  for (const [name, from, ours, theirs, expected] of cases)
    test(name, () => {
      expect(rebase(from, ours, theirs)).toMatchObject(expected)
    })
})

test("a conflict names its place, all three sides and what to do", () => {
  const lines = Array.from({ length: 40 }, (_, at) => `line ${at + 1}`)
  const changed = (...edits: readonly (readonly [number, string])[]) =>
    `${lines.map((line, at) => edits.find(([number]) => number === at + 1)?.[1] ?? line).join("\n")}\n`
  const outcome = rebase(changed(), changed([30, "ours\u001b[2J"]), changed([2, "apart"], [30, "theirs"]))
  expect(outcome).toMatchObject({
    code: "edits_overlap",
    problem: { hunk: 2, line: 30 },
    packet: {
      path: "f",
      hunk: 2,
      first_diverging_line: 30,
      base: { excerpt: "line 30", hash: expect.stringMatching(/^[0-9a-f]{64}$/) },
      ours: { excerpt: "ours\\u{1b}[2J" },
      theirs: { excerpt: "theirs" },
    },
  })
})

test("clean exactly where `git merge-file` is, with the same bytes", () => {
  let clean = 0
  withDirectory((directory) => {
    const path = (name: string) => join(directory, name)
    FastCheck.assert(
      FastCheck.property(fileAndTwoEdits, ({ base: from, ours, theirs }) => {
        FastCheck.pre(![from, ours, theirs].some((bytes) => bytes.includes(0)))
        writeFileSync(path("base"), from)
        writeFileSync(path("ours"), ours)
        writeFileSync(path("theirs"), theirs)
        const git = gitStatus(directory, ["merge-file", "-p", "ours", "base", "theirs"])
        const outcome = rebaseChange({ path: "f", base: file(from), ours: file(ours), theirs: file(theirs) })
        expect(outcome.ok).toBe(git.exitCode === 0)
        if (!outcome.ok) return
        clean += 1
        expect(Buffer.compare(outcome.value.after!.bytes, git.stdout)).toBe(0)
      }),
      { numRuns: 250, endOnFailure: true },
    )
  })
  expect(clean).toBeGreaterThan(10)
}, 30_000)

describe("bounded time", () => {
  const numbers = Array.from({ length: 250_000 }, (_, at) => `${at}`.padEnd(39, "x"))
  const join10 = (lines: readonly string[]) => `${lines.join("\n")}\n`
  const shuffled = (seed: number) => {
    const lines = numbers.slice(0, 50_000)
    let state = seed
    for (let at = lines.length - 1; at > 0; at--) {
      state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff
      const other = state % (at + 1)
      const line = lines[at]!
      lines[at] = lines[other]!
      lines[other] = line
    }
    return join10(lines)
  }
  const big = join10(numbers)
  const timed = (name: string, from: string, ours: string, theirs: string, expected: string) =>
    test(name, () => {
      const sides = { path: "f", base: file(from), ours: file(ours), theirs: file(theirs) }
      const started = performance.now()
      const outcome = rebaseChange(sides)
      const elapsed = performance.now() - started
      expect<string>(outcome.ok ? outcome.value.outcome : outcome.error.problem.code).toBe(expected)
      expect(elapsed).toBeLessThan(750)
    })
  timed(
    "10 MB, 10,000 edits on each side",
    big,
    join10(numbers.map((line, at) => (at % 25 === 0 ? `${line}o` : line))),
    join10(numbers.map((line, at) => (at % 25 === 12 ? `${line}t` : line))),
    "rebased",
  )
  timed("50,000 lines in three orders", shuffled(1), shuffled(2), shuffled(3), "too_large")
  timed(
    "two lines in turn against their reverse",
    "a\nb\n".repeat(50_000),
    "b\na\na\n".repeat(30_000),
    "a\nb\nb\n".repeat(30_000),
    "too_large",
  )
  timed(
    "equal lines, other counts",
    "x\n".repeat(300_000),
    "x\n".repeat(300_001),
    `y\n${"x\n".repeat(300_000)}`,
    "rebased",
  )
  timed("too many lines", "\n".repeat(1_000_000), "\n".repeat(1_000_001), "\n".repeat(1_000_002), "too_large")
})
