import { describe, expect, test } from "bun:test"
import { checkPatch } from "../../src/app-intake.ts"
import { patched, policy, request, told, violations } from "./support.ts"

const header = (from: string, to: string) => `--- ${from}\n+++ ${to}\n`
const HUNK = "@@ -1 +1 @@\n-a\n+b\n"
const judged = (
  patch: string,
  over: Record<string, unknown> = {},
  paths: "portable" | "posix" = "portable",
) =>
  told(
    request({ changes: [patched("src/a.ts", patch, over)] }),
    { policy: policy({ paths }) },
    checkPatch,
  ).map((line) => line.split("@")[0])

test("a patch of the declared file passes", () => {
  expect(judged(header("a/src/a.ts", "b/src/a.ts") + HUNK)).toEqual([])
})

describe("a patch that is not what its change says", () => {
  test("names another file, whatever its text contains", () => {
    const other = header("a/src/b.ts", "b/src/b.ts")
    expect(judged(other + HUNK)).toEqual(["path_mismatch"])
    expect(judged(`${other}@@ -1 +1,2 @@\n-a\n+--- a/src/a.ts\n++++ b/src/a.ts\n`)).toEqual(["path_mismatch"])
  })

  test("touches a second file", () => {
    const one = header("a/src/a.ts", "b/src/a.ts") + HUNK
    expect(judged(one + header("a/.git/config", "b/.git/config") + HUNK)).toEqual(["multiple_files"])
  })

  test("does something else than its operation", () => {
    expect(judged(`${header("/dev/null", "b/src/a.ts")}@@ -0,0 +1 @@\n+b\n`)).toEqual(["operation_mismatch"])
    expect(judged(header("a/src/a.ts", "b/src/a.ts") + HUNK, { operation: "delete" })).toEqual([
      "operation_mismatch",
    ])
  })

  test("holds no change", () => {
    for (const patch of ["", "hello", header("a/src/a.ts", "b/src/a.ts")])
      expect(judged(patch).length).toBeGreaterThan(0)
  })

  test("is a submodule, unless paths are posix", () => {
    const gitlink =
      "diff --git a/src/a.ts b/src/a.ts\nnew file mode 160000\nindex 0000000..1111111\n" +
      `${header("/dev/null", "b/src/a.ts")}@@ -0,0 +1 @@\n+Subproject commit ${"1".repeat(40)}\n`
    expect(judged(gitlink, { operation: "add" })).toEqual(["gitlink_refused"])
    expect(judged(gitlink, { operation: "add" }, "posix")).toEqual([])
  })
})

describe("a link", () => {
  const NO_END = "\\ No newline at end of file\n"
  const added = (target: string) =>
    `diff --git a/src/a.ts b/src/a.ts\nnew file mode 120000\nindex 0000000..1111111\n${header("/dev/null", "b/src/a.ts")}@@ -0,0 +1 @@\n+${target}\n${NO_END}`
  const pointed = (target: string) =>
    `diff --git a/src/a.ts b/src/a.ts\nindex 2222222..1111111 120000\n${header("a/src/a.ts", "b/src/a.ts")}@@ -1 +1 @@\n-b.ts\n${NO_END}+${target}\n${NO_END}`
  const turned = (target: string) =>
    `diff --git a/src/a.ts b/src/a.ts\nold mode 100644\nnew mode 120000\nindex 2222222..1111111\n${header("a/src/a.ts", "b/src/a.ts")}@@ -1 +1 @@\n-b.ts\n${NO_END}+${target}\n${NO_END}`

  for (const [target, code] of [
    ["b.ts", null],
    ["../docs/b.md", null],
    ["../../outside", "link_target_outside"],
    ["/etc/passwd", "link_target_absolute"],
    ["sub/../../b.ts", "link_target_roundabout"],
    ["../.git/config", "link_target_protected"],
    ["../.hyperion/hyperion.db", "link_target_protected"],
  ] as const)
    test(`to ${target} ${code === null ? "passes" : `is refused: ${code}`}`, () => {
      const expected = code === null ? [] : [code]
      expect(judged(added(target), { operation: "add" })).toEqual(expected)
      expect(judged(pointed(target))).toEqual(expected)
      expect(judged(added(target), { operation: "add" }, "posix")).toEqual(expected)
    })

  test("that a file becomes", () => {
    // Git writes it as a delete and an add; a patch that says it in one is the parser's to judge.
    expect(judged(turned("../../outside"))).not.toEqual([])
  })

  test("that is taken away may have led anywhere", () => {
    const deleted = `diff --git a/src/a.ts b/src/a.ts\ndeleted file mode 120000\nindex 2222222..0000000\n${header("a/src/a.ts", "/dev/null")}@@ -1 +0,0 @@\n-/etc/passwd\n${NO_END}`
    expect(judged(deleted, { operation: "delete" })).toEqual([])
  })
})

test("what the parser says of a hostile path stays printable", () => {
  const path = "\u001b]0;x\u0007\u202e"
  const found = violations(request({ changes: [patched(path, header("a/x", "b/x") + HUNK)] }), {}, checkPatch)
  expect(found.map(({ code }) => code).sort()).toEqual(["path_invisible", "path_mismatch"])
  for (const { message, hint } of found) expect(message + hint).not.toMatch(/[\p{Cc}\p{Cf}]/u)
})
