import { describe, expect, test } from "bun:test"
import * as FastCheck from "effect/FastCheck"
import { parsePatch } from "../../src/patch/parse.ts"
import type { PatchProblemCode } from "../../src/patch/problem.ts"
import { bytes, file, run } from "./support.ts"

const header = "diff --git a/f b/f\n--- a/f\n+++ b/f\n"
/** SPEC §6.4, with room for a machine that is busy with other tests. */
const limit = 250 * 3

const timed = (name: string, patch: string, base: string, code: PatchProblemCode | "") =>
  test(name, () => {
    const started = performance.now()
    const outcome = run(patch, file(base))
    const elapsed = performance.now() - started
    expect(outcome.problem?.code ?? "").toBe(code)
    expect(elapsed).toBeLessThan(limit)
  })

const numberedLines = (count: number, width = 36) =>
  Array.from({ length: count }, (_, at) => `${at}`.padEnd(width, "x"))

describe("bounded time", () => {
  const big = numberedLines(270_000)
  const bigFile = `${big.join("\n")}\n`
  const manyHunks = (shift: number) => {
    const parts = [header]
    for (let at = 0; at < 10_000; at++) {
      const line = at * 27 + 1
      parts.push(
        `@@ -${line + shift},3 +${line + shift},3 @@\n ${big[line - 1]}\n-${big[line]}\n+changed\n ${big[line + 1]}\n`,
      )
    }
    return parts.join("")
  }
  timed("10 MB, 10,000 hunks", manyHunks(0), bigFile, "")
  timed("10 MB, 10,000 hunks with wrong line numbers", manyHunks(5), bigFile, "")
  timed(
    "10 MB replaced by one hunk",
    `${header}@@ -1,270000 +1,270000 @@\n${big.map((line) => `-${line}\n+${line}y\n`).join("")}`,
    bigFile,
    "",
  )
  timed(
    "5,000 equal context lines in 100,000, no match",
    `${header}@@ -7,5001 +7,5002 @@\n${" x\n".repeat(5000)} y\n+z\n`,
    "x\n".repeat(100_000),
    "corrupt_patch",
  )
  timed(
    "5,000 equal context lines that stand everywhere",
    `${header}@@\n${" x\n".repeat(5000)}+z\n`,
    "x\n".repeat(100_000),
    "corrupt_patch",
  )
  timed(
    "a pre-image that almost stands everywhere",
    `${header}@@\n${" x\n".repeat(2500)} y\n${" x\n".repeat(2500)} y\n+z\n`,
    `${"x\n".repeat(2400)}y\n`.repeat(400),
    "corrupt_patch",
  )
  timed(
    "10 MB of newlines, nothing to find",
    `${header}@@ -9,2 +9,2 @@\n a\n-b\n+c\n`,
    "\n".repeat(10_000_000),
    "too_large",
  )
  timed(
    "50,000 hunks that do not match",
    header + "@@ -1 +1 @@\n-a\n+b\n".repeat(50_000),
    "b\n",
    "hunk_order",
  )
  timed("50,000 bare hunks", header + "@@\n-a\n+b\n".repeat(50_000), "a\n", "hunk_order")
  timed(
    "10 MB of blank lines as a recounted hunk",
    `${header}@@ -1,9 +1,2 @@\n-a\n${"\n".repeat(10_000_000)}+b\n`,
    "a\n",
    "too_large",
  )
  timed(
    "10 MB of half file headers",
    `${header}@@\n${"--- x\n+++ y\n".repeat(800_000)}`,
    "a\n",
    "corrupt_patch",
  )
  timed(
    "10 MB without a newline",
    `${header}@@ -1 +1 @@\n-${"a".repeat(10_000_000)}\n+b\n`,
    "a".repeat(10_000_000),
    "corrupt_patch",
  )
})

describe("hostile numbers", () => {
  for (const numbers of [
    "-1,10000000000 +1,10000000000",
    "-10000000000,1 +10000000000,1",
    "-999999999999999,999999999999999 +1,1",
    "-99999999999999999999999,1 +1,1",
    "--1,1 +1,1",
    "-1,-1 +1,-1",
    "-0,1 +0,1",
    "-1e9 +1",
    "-0x1 +0x1",
  ])
    test(numbers, () => {
      const outcome = run(`${header}@@ ${numbers} @@\n-a\n+b\n`, file("a\n"))
      expect(outcome).toMatchObject({ after: "b\n" })
      expect(outcome.repairs!.length).toBeGreaterThan(0)
    })
})

test("cut anywhere, a patch is refused, still whole, or its loss is on record", () => {
  const whole = bytes(
    `${header}@@ -1,3 +1,4 @@ s\n a\n-b\n+B\n+BB\n c\n@@ -7 +8 @@\n-g\n+G\n\\ No newline at end of file\n`,
  )
  const wholeHunks = ["a\nB\nBB\nc\nd\ne\nf\ng\n", "a\nB\nBB\nc\nd\ne\nf\nG\n", "a\nB\nBB\nc\nd\ne\nf\nG"]
  for (let end = 0; end < whole.length; end++) {
    const outcome = run(whole.subarray(0, end), file("a\nb\nc\nd\ne\nf\ng\n"))
    if (outcome.problem !== undefined) continue
    if (!wholeHunks.includes(outcome.after!))
      expect(outcome.repairs).toContain(whole[end - 1] === 10 ? "recount" : "final_newline")
  }
})

test("any bytes give a result", () => {
  const token = FastCheck.constantFrom(
    "diff --git a/f b/f\n",
    "--- a/f\n",
    "+++ b/f\n",
    "--- /dev/null\n",
    "+++ /dev/null\n",
    "@@",
    "@@ -1,2 +1,2 @@\n",
    "@@ -0,0 +1 @@\n",
    " a\n",
    "-a\n",
    "+b\n",
    "\n",
    "\r\n",
    "\\ No newline at end of file\n",
    "```diff\n",
    "```",
    "index 1..2\n",
    "new file mode 100644\n",
    "deleted file mode 100755\n",
    "old mode 100644\n",
    "new mode 100755\n",
    "GIT binary patch\n",
    "literal 3\n",
    "delta 9\n",
    "\u0000",
    '"',
    "a/f",
    " ",
    "rename from f\n",
    '--- "a/\\303\n',
  )
  const noise = FastCheck.oneof(
    FastCheck.array(token, { maxLength: 12 }).map((tokens) => bytes(tokens.join(""))),
    FastCheck.uint8Array({ maxLength: 60 }),
  )
  FastCheck.assert(
    FastCheck.property(
      noise,
      FastCheck.constantFrom("add" as const, "update" as const, "delete" as const),
      (patch, operation) => {
        const outcome = run(patch, operation === "add" ? null : file("a\na\n"), operation)
        const changed =
          operation === "add"
            ? outcome.after !== null
            : outcome.after !== "a\na\n" || outcome.mode !== "100644"
        expect(outcome.problem !== undefined || changed).toBe(true)
        parsePatch(patch, { path: "", operation })
      },
    ),
    { numRuns: 3000 },
  )
})
