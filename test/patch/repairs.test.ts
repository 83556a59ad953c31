import { describe, expect, test } from "bun:test"
import { file, run, text } from "./support.ts"

const header = "diff --git a/f b/f\n--- a/f\n+++ b/f\n"
const base = file("one\ntwo\n\nfour\nfive\nsix\n")
const good = `${header}@@ -1,4 +1,4 @@\n one\n-two\n+TWO\n \n four\n`
const wanted = "one\nTWO\n\nfour\nfive\nsix\n"

describe("each repair gives the exact result, is recorded, and leaves the canonical patch behind", () => {
  const cases: readonly (readonly [string, string, readonly string[]])[] = [
    ["nothing to repair", good, []],
    ["counts too large", good.replace("-1,4 +1,4", "-1,9 +1,9"), ["recount"]],
    ["counts too small", good.replace("-1,4 +1,4", "-1,2 +1,2"), ["recount"]],
    ["counts beyond any file", good.replace("-1,4 +1,4", "-1,10000000000 +1,3"), ["recount"]],
    ["new side's start wrong", good.replace("+1,4", "+7,4"), ["recount"]],
    ["no numbers", good.replace("@@ -1,4 +1,4 @@", "@@"), ["bare_hunk_header"]],
    ["dots for numbers", good.replace("@@ -1,4 +1,4 @@", "@@ ... @@"), ["bare_hunk_header"]],
    ["no closing @@", good.replace("@@ -1,4 +1,4 @@", "@@ -1,4 +1,4"), ["bare_hunk_header"]],
    ["no file header", good.slice(header.length), ["file_header"]],
    ["no --- and +++", good.replace("--- a/f\n+++ b/f\n", ""), ["file_header"]],
    ["no a/ and b/", good.replaceAll("a/f", "f").replaceAll("b/f", "f"), ["file_header"]],
    ["a code fence", `\`\`\`diff\n${good}\`\`\`\n`, ["code_fence"]],
    ["a fence without language or last newline", `\`\`\`\n${good}\`\`\``, ["code_fence"]],
    ["no final newline", good.slice(0, -1), ["final_newline"]],
    ["blank lines around", `\n\n${good}\n\n`, ["stray_blank_lines", "stray_blank_lines"]],
    ["blank context without its space", good.replace("\n \n", "\n\n"), ["blank_context"]],
    ["line number wrong, place unique", good.replace("-1,4 +1,4", "-3,4 +3,4"), ["relocation"]],
    ["line number beyond the file", good.replace("-1,4 +1,4", "-900,4 +900,4"), ["relocation"]],
    [
      "all at once",
      `\`\`\`diff\n@@ -40,9 +41,2 @@\n one\n-two\n+TWO\n\n four\n\`\`\``,
      ["code_fence", "file_header", "recount", "blank_context", "relocation"],
    ],
  ]
  for (const [name, patch, repairs] of cases)
    test(name, () => {
      const outcome = run(patch, base)
      expect(outcome).toMatchObject({ after: wanted, mode: "100644", repairs })
      expect(text(outcome.canonical!)).toBe(good)
    })
})

test("canonical patches parse without a repair and print as themselves", () => {
  const first = run("@@\n-five\n+FIVE", base)
  expect(first.repairs).toEqual(["final_newline", "file_header", "bare_hunk_header"])
  const second = run(first.canonical!, base)
  expect(second).toMatchObject({ after: "one\ntwo\n\nfour\nFIVE\nsix\n", repairs: [] })
  expect(text(second.canonical!)).toBe(text(first.canonical!))
})

test("a hunk may have lost its context lines' spaces in a CRLF file", () => {
  const outcome = run(`${header}@@ -1,3 +1,3 @@\n a\r\n\r\n-b\r\n+B\r\n`, file("a\r\n\r\nb\r\n"))
  expect(outcome).toMatchObject({ after: "a\r\n\r\nB\r\n", repairs: ["blank_context"] })
})

test("stray blank lines between hunks are no context", () => {
  const patch = `${header}@@ -1,1 +1,1 @@\n-one\n+ONE\n\n@@ -6 +6 @@\n-six\n+SIX\n`
  expect(run(patch, base)).toMatchObject({
    after: "ONE\ntwo\n\nfour\nfive\nSIX\n",
    repairs: ["stray_blank_lines"],
  })
})

test("line numbers of a new or deleted file follow from the operation", () => {
  expect(run("@@ -1,0 +5,9 @@\n+a\n+b\n", null, "add")).toMatchObject({
    after: "a\nb\n",
    repairs: ["file_header", "recount"],
  })
  expect(run("@@ -3,9 +3,0 @@\n-a\n", file("a\n"), "delete")).toMatchObject({ after: null })
})

describe("relocation", () => {
  const twice = file("x\na\ny\na\nz\n")
  test("needs one place only", () => {
    expect(run(`${header}@@ -5 +5 @@\n-a\n+A\n`, twice).problem).toMatchObject({
      code: "corrupt_patch",
      hunk: 1,
    })
  })
  test("one wrong number makes the others no evidence: each hunk must be unique", () => {
    const patch = `${header}@@ -2 +2 @@\n-a\n+A\n@@ -9 +9 @@\n-z\n+Z\n`
    expect(run(patch, twice).problem).toMatchObject({ code: "corrupt_patch", hunk: 1 })
  })
  test("overlapping places of one pattern count as two", () => {
    expect(run(`${header}@@\n a\n-a\n`, file("a\na\na\n")).problem).toMatchObject({ code: "corrupt_patch" })
  })
  test("a last line without newline is another line", () => {
    const patch = `${header}@@\n-a\n\\ No newline at end of file\n+A\n`
    expect(run(patch, file("a\nb\na"))).toMatchObject({ after: "a\nb\nA\n" })
  })
  test("keeps the order of the hunks", () => {
    const patch = `${header}@@\n-z\n+Z\n@@\n-x\n+X\n`
    expect(run(patch, twice).problem).toMatchObject({ code: "hunk_order", hunk: 2 })
  })
  test("never ignores whitespace", () => {
    expect(run(`${header}@@ -1 +1 @@\n-a\n+A\n`, file(" a\n")).problem).toMatchObject({
      code: "corrupt_patch",
      line: 1,
      expected: "a",
      found: " a",
    })
  })
})
