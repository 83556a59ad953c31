import { describe, expect, test } from "bun:test"
import type { FileState } from "../../src/domain/files.ts"
import type { ExpectedChange } from "../../src/patch/change.ts"
import { maxPatchBytes } from "../../src/patch/change.ts"
import type { PatchProblemCode } from "../../src/patch/problem.ts"
import { file, problemOf, run } from "./support.ts"

const git = "diff --git a/f b/f\n"
const header = `${git}--- a/f\n+++ b/f\n`
const hunk = "@@ -1 +1 @@\n-a\n+b\n"
const base = file("a\n")
type Case = readonly [PatchProblemCode, string, string, (FileState | null)?, ExpectedChange["operation"]?]

const cases: readonly Case[] = [
  ["no_patch", "empty text", ""],
  ["no_patch", "blank text", "\n \n"],
  ["no_patch", "prose", "I changed the file as you asked.\n"],
  ["no_patch", "header alone", header],
  ["no_patch", "git line alone", git],
  ["no_patch", "index alone", `${git}index 7898192..7898192 100644\n`],
  ["no_patch", "the same mode", `${git}old mode 100644\nnew mode 100644\n`],
  ["no_patch", "context only", `${header}@@ -1 +1 @@\n a\n`],
  ["no_patch", "a line replaced by itself", `${header}@@ -1 +1 @@\n-a\n+a\n`],
  ["no_patch", "an add without anything", "--- /dev/null\n+++ b/f\n", null, "add"],
  ["multiple_files", "two git files", `${header}${hunk}diff --git a/g b/g\n--- a/g\n+++ b/g\n${hunk}`],
  ["multiple_files", "two plain files", `--- a/f\n+++ b/f\n${hunk}--- a/g\n+++ b/g\n${hunk}`],
  [
    "multiple_files",
    "a recount stops at a plain file",
    `--- a/f\n+++ b/f\n@@ -1,5 +1,9 @@\n-a\n+b\n--- a/g\n+++ b/g\n${hunk}`,
  ],
  [
    "multiple_files",
    "two mode changes",
    `${git}old mode 100644\nnew mode 100755\n${git}old mode 100644\nnew mode 100755\n`,
  ],
  ["path_mismatch", "another file", `diff --git a/g b/g\n--- a/g\n+++ b/g\n${hunk}`],
  ["path_mismatch", "another new side", `--- a/f\n+++ b/g\n${hunk}`],
  ["path_mismatch", "one side without prefix", `--- a/f\n+++ f\n${hunk}`],
  ["path_mismatch", "two names", `diff --git a/f b/gg\n--- a/f\n+++ b/gg\n${hunk}`],
  ["path_mismatch", "CRLF header", `--- a/f\r\n+++ b/f\r\n${hunk}`],
  ["path_mismatch", "a longer path", `--- a/x/f\n+++ b/x/f\n${hunk}`],
  ["operation_mismatch", "an update that adds", `--- /dev/null\n+++ b/f\n@@ -0,0 +1 @@\n+a\n`],
  [
    "operation_mismatch",
    "an update that deletes",
    `${git}deleted file mode 100644\n--- a/f\n+++ /dev/null\n@@ -1 +0,0 @@\n-a\n`,
  ],
  ["operation_mismatch", "an add that updates", header + hunk, null, "add"],
  ["operation_mismatch", "an add with old lines", `@@ -1 +1 @@\n-a\n+b\n`, null, "add"],
  [
    "operation_mismatch",
    "a new file with a bare blank line",
    "--- /dev/null\n+++ b/f\n@@ -0,0 +1,3 @@\n+a\n\n+b\n",
    null,
    "add",
  ],
  [
    "operation_mismatch",
    "a delete that leaves lines",
    "--- a/f\n+++ /dev/null\n@@ -1,2 +1 @@\n-a\n b\n",
    file("a\nb\n"),
    "delete",
  ],
  ["malformed_patch", "text before", `Here it is:\n${header}${hunk}`],
  ["malformed_patch", "text after", `${header}${hunk}Done.\n`],
  ["malformed_patch", "a mail signature", `${header}${hunk}-- \n2.39.5\n`],
  ["malformed_patch", "no +++", `--- a/f\n${hunk}`],
  ["malformed_patch", "unknown header", `${git}mood happy\n--- a/f\n+++ b/f\n${hunk}`],
  ["malformed_patch", "index unreadable", `${git}index zzz..yyy\n--- a/f\n+++ b/f\n${hunk}`],
  ["malformed_patch", "adds and deletes", "--- /dev/null\n+++ /dev/null\n@@ -0,0 +1 @@\n+a\n", null, "add"],
  ["malformed_patch", "half a mode change", `${git}old mode 100644\n`],
  [
    "malformed_patch",
    "new file with an old side",
    `${git}new file mode 100644\n--- a/f\n+++ b/f\n${hunk}`,
    null,
    "add",
  ],
  ["malformed_patch", "a line without prefix", `${header}@@ -1,2 +1,2 @@\n-a\n+b\nc\n`, file("a\nc\n")],
  ["malformed_patch", "an empty hunk", `${header}@@ -1 +1 @@\n`],
  ["malformed_patch", "an open fence", `\`\`\`diff\n${header}${hunk}`],
  ["malformed_patch", "cut off in a hunk", `${header}@@ -1,2 +1,3 @@\n-a\n+b`, file("a\nc\n")],
  [
    "malformed_patch",
    "a marker too early",
    `${header}@@ -1,2 +1,2 @@\n-a\n\\ No newline at end of file\n-b\n+b\n+c\n`,
    file("a\nb\n"),
  ],
  ["malformed_patch", "a marker first", `${header}@@ -1 +1 @@\n\\ No newline at end of file\n-a\n+b\n`],
  [
    "malformed_patch",
    "a marker twice",
    `${header}@@ -1 +1 @@\n-a\n+b\n\\ No newline at end of file\n\\ No newline at end of file\n`,
  ],
  ["malformed_patch", "two hunks of a new file", "@@ -0,0 +1 @@\n+a\n@@ -0,0 +2 @@\n+b\n", null, "add"],
  [
    "malformed_patch",
    "a combined diff",
    "diff --cc f\nindex 1,2..3\n--- a/f\n+++ b/f\n@@@ -1 -1 +1 @@@\n- a\n+ b\n@@ x\n",
  ],
  ["hunk_order", "descending", `${header}@@ -3 +3 @@\n-c\n+C\n@@ -1 +1 @@\n-a\n+A\n`, file("a\nb\nc\n")],
  [
    "hunk_order",
    "overlapping",
    `${header}@@ -1,2 +1,2 @@\n-a\n+A\n b\n@@ -2,2 +2,2 @@\n b\n-c\n+C\n`,
    file("a\nb\nc\n"),
  ],
  ["corrupt_patch", "pre-image differs", header + hunk, file("x\n")],
  ["corrupt_patch", "file is empty", header + hunk, file("")],
  ["corrupt_patch", "longer than the file", `${header}@@ -1,2 +1,2 @@\n a\n-b\n+c\n`],
  ["corrupt_patch", "mode differs", `${git}old mode 100755\nnew mode 100644\n`],
  [
    "corrupt_patch",
    "delete of a longer file",
    "--- a/f\n+++ /dev/null\n@@ -1 +0,0 @@\n-a\n",
    file("a\nb\n"),
    "delete",
  ],
  ["corrupt_patch", "delete of a file said to be empty", `${git}deleted file mode 100644\n`, base, "delete"],
  ["file_exists", "added over a file", "--- /dev/null\n+++ b/f\n@@ -0,0 +1 @@\n+a\n", base, "add"],
  ["file_missing", "updated", header + hunk, null],
  ["file_missing", "deleted", "--- a/f\n+++ /dev/null\n@@ -1 +0,0 @@\n-a\n", null, "delete"],
  [
    "rename_unsupported",
    "renamed",
    "diff --git a/g b/f\nsimilarity index 100%\nrename from g\nrename to f\n",
  ],
  ["rename_unsupported", "copied", "diff --git a/g b/f\nsimilarity index 90%\ncopy from g\ncopy to f\n"],
  ["gitlink_refused", "by index", `${git}index 1234567..89abcde 160000\n--- a/f\n+++ b/f\n${hunk}`],
  ["gitlink_refused", "by base", header + hunk, file("", "160000")],
  ["mode_unsupported", "no such mode", `${git}new file mode 100600\n`, null, "add"],
  [
    "binary_unsupported",
    "without content",
    `${git}index 1234567..89abcde 100644\nBinary files a/f and b/f differ\n`,
  ],
]

describe("refusals", () => {
  for (const [code, name, patch, on = base, operation = "update"] of cases)
    test(`${code}: ${name}`, () => {
      const problem = problemOf(run(patch, on, operation))
      expect(problem.code).toBe(code)
      expect(problem.message.length * problem.hint.length).toBeGreaterThan(0)
    })
})

test("too_large: patch and file", () => {
  expect(run(new Uint8Array(maxPatchBytes + 1), base).problem?.code).toBe("too_large")
  expect(run(header + hunk, file(new Uint8Array(64 * 1024 * 1024 + 1))).problem?.code).toBe("too_large")
})

test("a mismatch names the hunk and the first diverging line", () => {
  const patch = `${header}@@ -1,2 +1,2 @@\n-a\n+A\n b\n@@ -4,3 +4,3 @@\n d\n-e\n+E\n f\n`
  expect(run(patch, file("a\nb\nc\nd\ne\nF\n")).problem).toMatchObject({
    code: "corrupt_patch",
    hunk: 2,
    line: 6,
    expected: "f",
    found: "F",
  })
})

test("the first diverging line is looked for where the hunk's first line really stands", () => {
  const patch = `${header}@@ -1,3 +1,3 @@\n d\n-e\n+E\n f\n`
  expect(run(patch, file("a\nb\nc\nd\ne\nF\n")).problem).toMatchObject({ line: 6, expected: "f", found: "F" })
})

test("excerpts cannot write to a terminal or reorder text", () => {
  const problem = problemOf(run(`${header}@@ -1 +1 @@\n-\u001b[2J\u202eabc${"x".repeat(500)}\n+b\n`, base))
  expect(problem.expected).toStartWith("\\u{1b}[2J\\u{202e}abcxxx")
  expect(problem.expected!.length).toBeLessThan(110)
})
