import { describe, expect, test } from "bun:test"
import { applyContent } from "../../src/patch/apply.ts"
import { parsePatch } from "../../src/patch/parse.ts"
import { bytes, file, run, text } from "./support.ts"

const header = "diff --git a/f b/f\n--- a/f\n+++ b/f\n"
const noNewline = "\\ No newline at end of file\n"

describe("lines that look like headers are content when the counts say so", () => {
  test("deleted and added lines", () => {
    const patch = `${header}@@ -1,2 +1,2 @@\n--- a/g\n-@@ -1 +1 @@\n+++ b/g\n+diff --git a/g b/g\n`
    expect(run(patch, file("-- a/g\n@@ -1 +1 @@\n"))).toMatchObject({
      after: "++ b/g\ndiff --git a/g b/g\n",
      repairs: [],
    })
  })
  test("a file pair followed by a hunk header", () => {
    const patch = `${header}@@ -1 +1 @@\n--- a/g\n+++ b/g\n@@ -3 +3 @@\n-c\n+C\n`
    expect(run(patch, file("-- a/g\nb\nc\n"))).toMatchObject({ after: "++ b/g\nb\nC\n", repairs: [] })
  })
})

test("only \\n ends a line", () => {
  const odd = "a\rb\u2028c\u0085\u000bd\u0000e\ufeff"
  expect(run(`${header}@@ -1 +1 @@\n-${odd}\n+${odd}!\n`, file(`${odd}\n`))).toMatchObject({
    after: `${odd}!\n`,
  })
})

test("bytes that are no UTF-8 survive", () => {
  const latin1 = (value: string) => Buffer.from(value, "latin1")
  const outcome = run(
    latin1(`${header}@@ -1,2 +1,2 @@\n caf\xe9\n-\xff\n+\xfe\x00\n`),
    file(latin1("caf\xe9\n\xff\n")),
  )
  expect(Buffer.from(outcome.bytes!).toString("latin1")).toBe("caf\xe9\n\xfe\x00\n")
})

describe("newline at the end of the file", () => {
  test("lost", () => {
    expect(run(`${header}@@ -1 +1 @@\n-a\n+a\n${noNewline}`, file("a\n"))).toMatchObject({ after: "a" })
  })
  test("gained", () => {
    expect(run(`${header}@@ -1 +1 @@\n-a\n${noNewline}+a\n`, file("a"))).toMatchObject({ after: "a\n" })
  })
  test("kept absent", () => {
    expect(run(`${header}@@ -1,2 +1,2 @@\n-a\n+A\n b\n${noNewline}`, file("a\nb"))).toMatchObject({
      after: "A\nb",
    })
  })
  test("a side without newline must end the file", () => {
    const patch = `${header}@@ -1 +1 @@\n-a\n+A\n${noNewline}`
    expect(run(patch, file("a\nb\n")).problem).toMatchObject({ code: "corrupt_patch" })
  })
  test("appending after a line without newline must show that line", () => {
    expect(run(`${header}@@ -1,0 +2 @@\n+b\n`, file("a")).problem).toMatchObject({ code: "corrupt_patch" })
    expect(run(`${header}@@ -1 +1,2 @@\n a\n+b\n`, file("a")).problem).toMatchObject({
      code: "corrupt_patch",
      hint: expect.stringContaining("No newline at end of file"),
    })
  })
})

describe("modes and whole files", () => {
  test("mode only, both ways", () => {
    const mode = (from: string, to: string) => `diff --git a/f b/f\nold mode ${from}\nnew mode ${to}\n`
    expect(run(mode("100644", "100755"), file("x"))).toMatchObject({ after: "x", mode: "100755" })
    expect(run(mode("100755", "100644"), file("x", "100755"))).toMatchObject({ after: "x", mode: "100644" })
  })
  test("mode and content", () => {
    const patch = `diff --git a/f b/f\nold mode 100644\nnew mode 100755\nindex 7898192..6178079\n--- a/f\n+++ b/f\n@@ -1 +1 @@\n-a\n+b\n`
    const outcome = run(patch, file("a\n"))
    expect(outcome).toMatchObject({ after: "b\n", mode: "100755", repairs: [] })
    expect(text(outcome.canonical!)).toBe(patch)
  })
  test("content keeps the base's mode", () => {
    expect(run(`${header}@@ -1 +1 @@\n-a\n+b\n`, file("a\n", "100755"))).toMatchObject({ mode: "100755" })
  })
  test("empty file added and deleted", () => {
    expect(
      run("diff --git a/f b/f\nnew file mode 100755\nindex 0000000..e69de29\n", null, "add"),
    ).toMatchObject({
      after: "",
      mode: "100755",
    })
    expect(run("diff --git a/f b/f\ndeleted file mode 100644\n", file(""), "delete")).toMatchObject({
      after: null,
    })
  })
  test("emptied is not deleted", () => {
    expect(run(`${header}@@ -1 +0,0 @@\n-a\n`, file("a\n"))).toMatchObject({ after: "" })
  })
  test("a plain diff adds and deletes by /dev/null", () => {
    const added = run("--- /dev/null\n+++ b/f\n@@ -0,0 +1 @@\n+a\n", null, "add")
    expect(added).toMatchObject({ after: "a\n", mode: "100644", repairs: [] })
    expect(run("--- a/f\n+++ /dev/null\n@@ -1 +0,0 @@\n-a\n", file("a\n"), "delete")).toMatchObject({
      after: null,
    })
  })
})

describe("names", () => {
  const change = "@@ -1 +1 @@\n-a\n+b\n"
  const cases: readonly (readonly [string, string])[] = [
    [
      "with spaces/a b.txt",
      `diff --git a/with spaces/a b.txt b/with spaces/a b.txt\n--- a/with spaces/a b.txt\t\n+++ b/with spaces/a b.txt\t\n`,
    ],
    [
      'é\t"\\.txt',
      'diff --git "a/\\303\\251\\t\\"\\\\.txt" "b/\\303\\251\\t\\"\\\\.txt"\n--- "a/\\303\\251\\t\\"\\\\.txt"\n+++ "b/\\303\\251\\t\\"\\\\.txt"\n',
    ],
    ["a/b", "diff --git a/a/b b/a/b\n--- a/a/b\n+++ b/a/b\n"],
    ["x b/x", "diff --git a/x b/x b/x b/x\n--- a/x b/x\t\n+++ b/x b/x\t\n"],
  ]
  for (const [path, head] of cases)
    test(path, () => {
      const outcome = run(head + change, file("a\n"), "update", path)
      expect(outcome).toMatchObject({ after: "b\n", repairs: [] })
      expect(text(outcome.canonical!)).toBe(head + change)
    })
  test("unquoted UTF-8 is read and printed quoted", () => {
    const outcome = run(`diff --git a/é b/é\n--- a/é\n+++ b/é\n${change}`, file("a\n"), "update", "é")
    expect(text(outcome.canonical!)).toStartWith('diff --git "a/\\303\\251" "b/\\303\\251"\n')
  })
})

test("the index line is read", () => {
  const parsed = parsePatch(
    bytes(`diff --git a/f b/f\nindex 78981922..61780798 100644\n--- a/f\n+++ b/f\n@@ -1 +1 @@\n-a\n+b\n`),
    {
      path: "f",
      operation: "update",
    },
  )
  expect(parsed).toMatchObject({
    ok: true,
    value: { index: { oldOid: "78981922", newOid: "61780798", mode: "100644" }, statedMode: "100644" },
  })
})

test("lines added without context need the index line to prove the base", () => {
  const hunk = "@@ -1,0 +2 @@\n+x\n"
  expect(run(header + hunk, file("a\nb\n")).problem).toMatchObject({ code: "corrupt_patch", hunk: 1 })
  const proven = `diff --git a/f b/f\nindex 422c2b7..0000000 100644\n--- a/f\n+++ b/f\n${hunk}`
  const outcome = run(proven, file("a\nb\n"))
  expect(outcome).toMatchObject({ after: "a\nx\nb\n" })
  expect(text(outcome.canonical!)).toEndWith("@@ -2 +2,2 @@\n+x\n b\n")
})

describe("whole content", () => {
  const update = { path: "f", operation: "update" } as const
  test("keeps the mode, starts as 100644", () => {
    expect(applyContent(update, bytes("n"), file("o", "100755"))).toEqual({
      ok: true,
      value: file("n", "100755"),
    })
    expect(applyContent({ path: "f", operation: "add" }, bytes("n"), null)).toEqual({
      ok: true,
      value: file("n"),
    })
    expect(applyContent({ path: "f", operation: "delete" }, null, file("o"))).toEqual({
      ok: true,
      value: null,
    })
  })
  test("does not become the target of a link", () => {
    expect(applyContent(update, bytes("n"), file("o", "120000"))).toMatchObject({
      error: { code: "symlink_unsupported" },
    })
  })
  test("is never a silent no-op", () => {
    expect(applyContent(update, bytes("o"), file("o"))).toMatchObject({ error: { code: "no_patch" } })
    expect(applyContent(update, null, file("o"))).toMatchObject({ error: { code: "no_patch" } })
    expect(applyContent(update, bytes("o"), null)).toMatchObject({ error: { code: "file_missing" } })
    expect(applyContent({ path: "f", operation: "add" }, bytes("o"), file("x"))).toMatchObject({
      error: { code: "file_exists" },
    })
  })
})
