import { describe, expect, test } from "bun:test"
import * as FastCheck from "effect/FastCheck"
import { fileAndEdit, gitApply, gitDiffs, withDirectory } from "./git.ts"
import { file, run } from "./support.ts"

const batch = FastCheck.array(fileAndEdit, { minLength: 80, maxLength: 80 })
const named = (pairs: readonly (readonly [Uint8Array, Uint8Array])[]) =>
  new Map<string, readonly [Uint8Array, Uint8Array]>(pairs.map((pair, at) => [`f${at}`, pair]))

const shifted = (patch: Uint8Array, by: number): Uint8Array =>
  Buffer.from(
    Buffer.from(patch)
      .toString("latin1")
      .replace(/^@@ -(\d+)/gm, (_, start: string) => `@@ -${Number(start) + by}`),
    "latin1",
  )

describe("against git", () => {
  test("every `git diff` applies to exactly the bytes, prints as itself, and git applies it alike", () => {
    FastCheck.assert(
      FastCheck.property(batch, (pairs) => {
        const files = named(pairs)
        const diffs = withDirectory((directory) => gitDiffs(directory, files, "--text"))
        const canonical = []
        for (const [name, [before, after]] of files) {
          const diff = diffs.get(name)
          expect(diff === undefined).toBe(Buffer.compare(before, after) === 0)
          if (diff === undefined) continue
          const outcome = run(diff, file(before), "update", name)
          expect(outcome.problem).toBeUndefined()
          expect(Buffer.compare(outcome.bytes!, after)).toBe(0)
          expect(outcome.repairs).toEqual([])
          expect(Buffer.compare(outcome.canonical!, diff)).toBe(0)
          canonical.push(outcome.canonical!)
        }
        const applied = gitApply(new Map([...files].map(([name, pair]) => [name, pair[0]])), canonical)
        for (const [name, [, after]] of files) expect(Buffer.compare(applied.get(name)!, after)).toBe(0)
      }),
      { numRuns: 4, endOnFailure: true },
    )
  }, 30_000)

  test("with little context, the canonical patch is still one that `git apply` takes", () => {
    FastCheck.assert(
      FastCheck.property(batch, FastCheck.constantFrom(0, 1), (pairs, context) => {
        const files = named(pairs)
        const diffs = withDirectory((directory) => gitDiffs(directory, files, "--text", `-U${context}`))
        const canonical = []
        for (const [name, [before, after]] of files) {
          const diff = diffs.get(name)
          if (diff === undefined) continue
          const outcome = run(diff, file(before), "update", name)
          expect(outcome.problem).toBeUndefined()
          expect(Buffer.compare(outcome.bytes!, after)).toBe(0)
          canonical.push(outcome.canonical!)
        }
        const applied = gitApply(new Map([...files].map(([name, pair]) => [name, pair[0]])), canonical)
        for (const [name, [, after]] of files) expect(Buffer.compare(applied.get(name)!, after)).toBe(0)
      }),
      { numRuns: 4, endOnFailure: true },
    )
  }, 30_000)

  test("a patch with bare or impossible line numbers is applied exactly or refused, never elsewhere", () => {
    let accepted = 0
    FastCheck.assert(
      FastCheck.property(batch, FastCheck.boolean(), (pairs, bare) => {
        const files = named(pairs)
        const diffs = withDirectory((directory) => gitDiffs(directory, files, "--text"))
        for (const [name, diff] of diffs) {
          const [before, after] = files.get(name)!
          const hidden = bare
            ? Buffer.from(
                Buffer.from(diff)
                  .toString("latin1")
                  .replace(/^@@ -.*$/gm, "@@"),
                "latin1",
              )
            : shifted(diff, 1000)
          const outcome = run(hidden, file(before), "update", name)
          if (outcome.problem === undefined) {
            accepted += 1
            expect(Buffer.compare(outcome.bytes!, after)).toBe(0)
            if (!bare) expect(Buffer.compare(outcome.canonical!, diff)).toBe(0)
          } else {
            expect(["corrupt_patch", "hunk_order"]).toContain(outcome.problem.code)
          }
        }
      }),
      { numRuns: 4, endOnFailure: true },
    )
    expect(accepted).toBeGreaterThan(50)
  }, 30_000)
})
