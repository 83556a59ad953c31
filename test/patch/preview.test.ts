import { expect, test } from "bun:test"
import * as FastCheck from "effect/FastCheck"
import { previewDiff, textDiff } from "../../src/patch/preview.ts"
import { bytes, file, run } from "./support.ts"

test("a text diff applies to exactly the new text", () => {
  const piece = FastCheck.constantFrom("a", "b", "", "\r", "x\ry", "\u2028", "-- a", "é", "@@ -1 +1 @@")
  const content = FastCheck.array(piece, { maxLength: 30 }).map((lines) => lines.join("\n"))
  FastCheck.assert(
    FastCheck.property(content, content, (before, after) => {
      FastCheck.pre(before !== after)
      const diff = textDiff("f", bytes(before), bytes(after))
      expect(diff.kind).toBe("patch")
      if (diff.kind === "patch") expect(run(diff.patch, file(before))).toMatchObject({ after, repairs: [] })
    }),
    { numRuns: 300 },
  )
})

test("a missing side is /dev/null", () => {
  expect(previewDiff("f", null, bytes("a\n"))).toBe("--- /dev/null\n+++ b/f\n@@ -0,0 +1,1 @@\n+a\n")
  expect(previewDiff("f", bytes("a\n"), null)).toBe("--- a/f\n+++ /dev/null\n@@ -1,1 +0,0 @@\n-a\n")
})

test("binary content and too many changes give one line", () => {
  expect(previewDiff("f", Uint8Array.of(0, 1), bytes("a"))).toBe("f: binary content changes (2 → 1 byte)\n")
  expect(previewDiff("f", Uint8Array.of(0xff), bytes("a"))).toBe("f: binary content changes (1 → 1 byte)\n")
  const lines = (prefix: string) =>
    bytes(Array.from({ length: 20_000 }, (_, at) => `${prefix}${at}\n`).join(""))
  const started = performance.now()
  expect(previewDiff("f", lines("a"), lines("b"))).toStartWith("f: too many changes to show")
  expect(performance.now() - started).toBeLessThan(1500)
})
