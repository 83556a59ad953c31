import { describe, expect, test } from "bun:test"
import { deflateSync } from "node:zlib"
import * as FastCheck from "effect/FastCheck"
import { parsePatch } from "../../src/patch/parse.ts"
import { gitApply, gitDiffs, withDirectory } from "./git.ts"
import { bytes, file, run, text } from "./support.ts"

const alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%&()*+-;<=>?@^_`{|}~"
const base85 = (data: Uint8Array): string => {
  let lines = ""
  for (let from = 0; from < data.length; from += 52) {
    const part = data.subarray(from, from + 52)
    lines += String.fromCharCode(part.length <= 26 ? 64 + part.length : 70 + part.length)
    for (let at = 0; at < part.length; at += 4) {
      let value = 0
      for (let byte = 0; byte < 4; byte++) value = value * 256 + (part[at + byte] ?? 0)
      const group = Array.from(
        { length: 5 },
        (_, place) => alphabet[Math.floor(value / 85 ** (4 - place)) % 85],
      )
      lines += group.join("")
    }
    lines += "\n"
  }
  return lines
}
const oid = (content: Uint8Array) =>
  new Bun.CryptoHasher("sha1").update(`blob ${content.length}\0`).update(content).digest("hex")
const zero = "0".repeat(40)
const patchOf = (oldOid: string, newOid: string, section: string) =>
  `diff --git a/f b/f\nindex ${oldOid}..${newOid} 100644\nGIT binary patch\n${section}\n`
const literal = (content: Uint8Array, size = content.length) =>
  `literal ${size}\n${base85(deflateSync(content))}`
const delta = (data: readonly number[]) =>
  `delta ${data.length}\n${base85(deflateSync(Uint8Array.from(data)))}`

const before = Uint8Array.of(0, 1, 2, 3)
const after = Uint8Array.of(0, 9, 2, 3)
const whole = patchOf(oid(before), oid(after), literal(after))

test("every `git diff --binary` applies to exactly the bytes, prints as itself, and git applies it alike", () => {
  const content = FastCheck.tuple(
    FastCheck.uint8Array({ maxLength: 3000 }),
    FastCheck.uint8Array({ maxLength: 40 }),
    FastCheck.nat({ max: 3000 }),
  ).map(
    ([old, insert, at]) =>
      [
        Uint8Array.from([0, ...old]),
        Uint8Array.from([0, ...old.subarray(0, at), ...insert, ...old.subarray(at)]),
      ] as const,
  )
  FastCheck.assert(
    FastCheck.property(FastCheck.array(content, { minLength: 40, maxLength: 40 }), (pairs) => {
      const files = new Map<string, readonly [Uint8Array, Uint8Array]>(
        pairs.map((pair, at) => [`f${at}`, pair]),
      )
      const diffs = withDirectory((directory) => gitDiffs(directory, files, "--binary"))
      const canonical = []
      for (const [name, diff] of diffs) {
        const [old, wanted] = files.get(name)!
        const outcome = run(diff, file(old), "update", name)
        expect(outcome.problem).toBeUndefined()
        expect(Buffer.compare(outcome.bytes!, wanted)).toBe(0)
        expect(Buffer.compare(outcome.canonical!, diff)).toBe(0)
        canonical.push(outcome.canonical!)
      }
      const applied = gitApply(new Map([...files].map(([name, pair]) => [name, pair[0]])), canonical)
      for (const [name, [, wanted]] of files) expect(Buffer.compare(applied.get(name)!, wanted)).toBe(0)
    }),
    { numRuns: 3, endOnFailure: true },
  )
}, 30_000)

describe("binary", () => {
  test("literal, with and without the last blank line", () => {
    expect(run(whole, file(before)).bytes).toEqual(after)
    expect(text(run(whole.slice(0, -1), file(before)).canonical!)).toBe(whole)
  })
  test("delta: insert and copy", () => {
    const patch = patchOf(oid(before), oid(after), delta([4, 4, 2, 0, 9, 0x91, 2, 2]))
    expect(run(patch, file(before)).bytes).toEqual(after)
  })
  test("add and delete", () => {
    const add = `diff --git a/f b/f\nnew file mode 100755\nindex ${zero}..${oid(after)}\nGIT binary patch\n${literal(after)}\n`
    expect(run(add, null, "add")).toMatchObject({ bytes: after, mode: "100755" })
    const remove = `diff --git a/f b/f\ndeleted file mode 100644\nindex ${oid(after)}..${zero}\nGIT binary patch\n${literal(new Uint8Array(0))}\n`
    expect(run(remove, file(after), "delete")).toMatchObject({ after: null })
    expect(run(remove, file(before), "delete").problem).toMatchObject({ code: "corrupt_patch" })
  })

  const cases: readonly (readonly [string, string, string])[] = [
    ["corrupt_patch", "another base", patchOf(oid(after), oid(before), literal(before))],
    ["corrupt_patch", "another result than stated", patchOf(oid(before), oid(before), literal(after))],
    [
      "corrupt_patch",
      "a delta for another size",
      patchOf(oid(before), oid(after), delta([5, 4, 4, 0, 9, 2, 3])),
    ],
    [
      "corrupt_patch",
      "a delta that copies from beyond",
      patchOf(oid(before), oid(after), delta([4, 4, 0x91, 2, 4])),
    ],
    ["corrupt_patch", "a delta that ends early", patchOf(oid(before), oid(after), delta([4, 4, 3, 0, 9]))],
    ["corrupt_patch", "a delta with a reserved command", patchOf(oid(before), oid(after), delta([4, 4, 0]))],
    [
      "corrupt_patch",
      "a delta whose result is huge",
      patchOf(oid(before), oid(after), delta([4, 255, 255, 255, 255, 255, 127])),
    ],
    ["no_patch", "the same content", patchOf(oid(before), oid(before), literal(before))],
    ["malformed_patch", "no index line", whole.replace(/index .*\n/, "")],
    ["malformed_patch", "short ids", whole.replace(/index (.{7}).*\.\.(.{7}).*\n/, "index $1..$2 100644\n")],
    ["malformed_patch", "size too small", patchOf(oid(before), oid(after), literal(after, 3))],
    ["malformed_patch", "size too large", patchOf(oid(before), oid(after), literal(after, 5))],
    ["malformed_patch", "no zlib", patchOf(oid(before), oid(after), `literal 4\n${base85(after)}`)],
    ["malformed_patch", "no base85", patchOf(oid(before), oid(after), 'literal 4\nD"""""\n')],
    ["malformed_patch", "a group above 2^32", patchOf(oid(before), oid(after), "literal 4\nD~~~~~\n")],
    ["malformed_patch", "wrong line length", patchOf(oid(before), oid(after), "literal 4\nZ00000\n")],
    ["malformed_patch", "no section", patchOf(oid(before), oid(after), "Literal 4\n")],
    ["malformed_patch", "text after it", `${whole}literal\n`],
    ["malformed_patch", "a broken way back", `${whole}literal 9\n${base85(deflateSync(after))}\n`],
    ["malformed_patch", "text and binary", `${whole}@@ -1 +1 @@\n-a\n+b\n`],
    ["too_large", "announced", patchOf(oid(before), oid(after), literal(after, 1 << 30))],
  ]
  for (const [code, name, patch] of cases)
    test(`${code}: ${name}`, () => {
      expect(run(patch, file(before)).problem?.code ?? "").toBe(code)
    })

  test("a bomb is not unpacked beyond its stated size", () => {
    const bomb = patchOf(oid(before), oid(after), literal(new Uint8Array(64 << 20), 4))
    const started = performance.now()
    expect(run(bomb, file(before)).problem?.code).toBe("malformed_patch")
    expect(performance.now() - started).toBeLessThan(250)
  })
})

describe("symbolic links", () => {
  const end = "\n\\ No newline at end of file\n"
  const retarget = `diff --git a/f b/f\nindex 1234567..89abcde 120000\n--- a/f\n+++ b/f\n@@ -1 +1 @@\n-old${end}+new${end}`
  const link = file("old", "120000")
  test("added, changed, deleted", () => {
    const add = `diff --git a/f b/f\nnew file mode 120000\n--- /dev/null\n+++ b/f\n@@ -0,0 +1 @@\n+old${end}`
    expect(run(add, null, "add")).toMatchObject({ after: "old", mode: "120000" })
    expect(run(retarget, link)).toMatchObject({ after: "new", mode: "120000" })
    const remove = `diff --git a/f b/f\ndeleted file mode 120000\n--- a/f\n+++ /dev/null\n@@ -1 +0,0 @@\n-old${end}`
    expect(run(remove, link, "delete")).toMatchObject({ after: null })
  })
  test("a patch of a file does not change a link, nor the reverse", () => {
    expect(run(retarget.replace("120000", "100644"), link).problem).toMatchObject({
      code: "corrupt_patch",
      found: "120000",
    })
    expect(run(retarget.replace(/index .*\n/, ""), link).problem?.code).toBe("corrupt_patch")
    expect(run(retarget, file("old")).problem).toMatchObject({ code: "corrupt_patch", expected: "120000" })
  })
  test("a change of type is no change of mode", () => {
    const patch = "diff --git a/f b/f\nold mode 100644\nnew mode 120000\n"
    expect(run(patch, file("x")).problem?.code).toBe("mode_unsupported")
  })
  test("a target has 1 to 4095 bytes and no NUL", () => {
    for (const target of ["", "a\0b", "x".repeat(4096)]) {
      const hunk = target === "" ? `@@ -1 +0,0 @@\n-old${end}` : `@@ -1 +1 @@\n-old${end}+${target}${end}`
      const patch = retarget.slice(0, retarget.indexOf("@@")) + hunk
      expect(run(patch, link).problem?.code).toBe("symlink_unsupported")
    }
  })
})

describe("submodules", () => {
  const commit = (digit: string) => `Subproject commit ${digit.repeat(40)}`
  const patch = bytes(
    `diff --git a/f b/f\nindex 1111111..2222222 160000\n--- a/f\n+++ b/f\n@@ -1 +1 @@\n-${commit("1")}\n+${commit("2")}\n`,
  )
  test("refused, unless paths are posix", () => {
    expect(parsePatch(patch, { path: "f", operation: "update" })).toMatchObject({
      error: { code: "gitlink_refused" },
    })
    expect(run(patch, file(`${commit("1")}\n`, "160000"), "update", "f", "posix")).toMatchObject({
      after: `${commit("2")}\n`,
      mode: "160000",
    })
  })
  test("hold one commit and nothing else", () => {
    const wrong = text(patch).replace(`+${commit("2")}`, "+main")
    expect(run(wrong, file(`${commit("1")}\n`, "160000"), "update", "f", "posix").problem?.code).toBe(
      "malformed_patch",
    )
  })
})
