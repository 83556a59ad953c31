import { describe, expect, test } from "bun:test"
import { parsePatch } from "../../src/patch/parse.ts"
import type { CheckPatch } from "../../src/validator/rule.ts"
import { patched, policy, request, told, violations } from "./support.ts"

/** The two stages joined as the composition root joins them. */
const checkPatch: CheckPatch = (patch, declared) => {
  const parsed = parsePatch(patch, declared)
  return parsed.ok ? null : parsed.error
}

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

test("what the parser says of a hostile path stays printable", () => {
  const path = "\u001b]0;x\u0007\u202e"
  const found = violations(request({ changes: [patched(path, header("a/x", "b/x") + HUNK)] }), {}, checkPatch)
  expect(found.map(({ code }) => code).sort()).toEqual(["path_invisible", "path_mismatch"])
  for (const { message, hint } of found) expect(message + hint).not.toMatch(/[\p{Cc}\p{Cf}]/u)
})
