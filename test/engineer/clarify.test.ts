import { describe, expect, test } from "bun:test"
import * as FastCheck from "effect/FastCheck"
import { parseDocument } from "../../src/domain/parse-document.ts"
import { TaskRequest } from "../../src/domain/request.ts"
import { clarify } from "../../src/engineer/clarify.ts"

type Doc = Record<string, unknown>
const request = (over: Doc = {}): Doc => ({
  request_id: "R-1",
  summary: "Add a greeting to the start page",
  requested_changes: [{ path: "src/start.ts", summary: "print the greeting" }],
  ...over,
})
const run = (over: Doc = {}) => {
  const document = request(over)
  const parsed = parseDocument(TaskRequest, document)
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.error))
  return clarify(parsed.value, document)
}
const changes = (...list: readonly Doc[]): Doc => ({
  requested_changes: list.map((change) => ({ summary: "do the thing well", ...change })),
})
const ids = (over: Doc) => run(over).questions.map(({ id }) => id)
const why = (over: Doc, field: string) => run(over).reasons.find((reason) => reason.field === field)?.why

describe("kind", () => {
  const kinds: readonly (readonly [string, Doc, string])[] = [
    ["stated", { kind: "refactor", summary: "fix: the crash" }, "refactor"],
    ["commit prefix", { summary: "fix(login): new form" }, "bugfix"],
    ["commit prefix with !", { summary: "feat!: broken on purpose" }, "feature"],
    ["first word", { summary: "Add a test that fails" }, "feature"],
    ["first word beats later ones", { summary: "Rename the broken flag" }, "refactor"],
    ["any word", { summary: "The parser crashes on empty input" }, "bugfix"],
    [
      "a word of a change",
      { summary: "The parser once more", ...changes({ path: "a.ts", summary: "repair it" }) },
      "bugfix",
    ],
    [
      "documentation paths",
      { summary: "Fix the wording", ...changes({ path: "README.md" }, { path: "docs/a.png" }) },
      "docs",
    ],
    [
      "one path is not",
      { summary: "Wording", ...changes({ path: "README.md" }, { path: "a.ts" }) },
      "feature",
    ],
    ["nothing", { summary: "Greeting on the start page" }, "feature"],
    ["part of a word is no word", { summary: "The prefix of the renewal" }, "feature"],
  ]
  for (const [name, over, kind] of kinds)
    test(name, () => {
      expect(run(over).request.kind as string).toBe(kind)
      expect(why(over, "kind")).not.toBe("")
    })

  test("a stated kind is said to be stated", () => expect(why({ kind: "docs" }, "kind")).toContain("stated"))
})

describe("priority", () => {
  const priorities: readonly (readonly [string, Doc, number])[] = [
    ["stated beats urgent words", { priority: 2, summary: "URGENT security fix for login" }, 2],
    ["the default, stated", { priority: 5, summary: "URGENT security fix for login" }, 5],
    ["urgent words", { summary: "Security hole in the login form" }, 8],
    ["urgent words in the context", { context: "This is an outage." }, 8],
    ["minor words", { summary: "Nice to have: a greeting" }, 3],
    ["bugfix", { summary: "Fix the login form" }, 6],
    ["refactor", { summary: "Extract the login form" }, 4],
    ["feature", { summary: "Add the login form" }, 5],
  ]
  for (const [name, over, priority] of priorities)
    test(name, () => {
      const { request: clarified, reasons } = run(over)
      expect(clarified.priority).toBe(priority)
      expect(reasons.find(({ field }) => field === "priority")).toMatchObject({ value: priority })
    })

  test("the word that decided is named", () =>
    expect(why({ summary: "An outage of the login" }, "priority")).toContain('"outage"'))
})

describe("acceptance criteria", () => {
  test("stated ones stay as they are", () => {
    const over = { acceptance_criteria: ["the page greets"] }
    expect(run(over).request.acceptance_criteria).toEqual(["the page greets"])
    expect(why(over, "acceptance_criteria")).toContain("stated")
  })

  test("from files and checks, each once", () => {
    const over = changes(
      { path: "a.ts", summary: "greet", checks: ["test", "lint"] },
      { path: "b.ts", operation: "add", content: "b", checks: ["test"] },
      { path: "c.ts", operation: "delete" },
      { path: "d.ts", summary: "keep it", ensure_exists: true },
    )
    expect(run(over).request.acceptance_criteria).toEqual([
      '"a.ts" is changed: greet',
      '"b.ts" exists: do the thing well',
      '"c.ts" no longer exists',
      '"d.ts" exists: keep it',
      'the check "test" passes',
      'the check "lint" passes',
      "no file outside the requested ones changes",
    ])
  })
})

describe("questions", () => {
  const added = "diff --git a/f b/f\nnew file mode 100644\n--- /dev/null\n+++ b/f\n@@ -0,0 +1 @@\n+x\n"
  const deleted = "diff --git a/f b/f\ndeleted file mode 100644\n--- a/f\n+++ /dev/null\n@@ -1 +0,0 @@\n-x\n"
  const updated = "--- a/f\n+++ b/f\n@@ -1 +1 @@\n---- /dev/null\n+++++ /dev/null\n"

  test("none for a clear request", () => expect(ids({})).toEqual([]))

  test("patch and content both", () =>
    expect(ids(changes({ path: "f", patch: updated, content: "x" }))).toEqual([
      "patch_and_content@requested_changes[0]",
    ]))

  test("delete with new content", () => {
    expect(ids(changes({ path: "f", operation: "delete", content: "x" }))).toEqual([
      "delete_with_content@requested_changes[0]",
    ])
    expect(ids(changes({ path: "f", operation: "delete", content: "" }))).toEqual([])
  })

  test("an operation that its patch contradicts", () => {
    const patches = { add: added, delete: deleted, update: updated }
    for (const operation of ["add", "delete", "update"] as const)
      for (const does of ["add", "delete", "update"] as const)
        expect(ids(changes({ path: "f", operation, patch: patches[does] }))).toEqual(
          operation === does ? [] : ["operation_mismatch@requested_changes[0].operation"],
        )
  })

  test("the same path with contradictory operations", () => {
    expect(
      ids(changes({ path: "f", operation: "add", content: "1" }, { path: "f", operation: "delete" })),
    ).toEqual(["contradiction@requested_changes[1]"])
    expect(ids(changes({ path: "f", operation: "update" }, { path: "f", operation: "add" }))).toEqual([
      "contradiction@requested_changes[1]",
    ])
  })

  test("delete then add replaces a file: no question", () =>
    expect(
      ids(changes({ path: "f", operation: "delete" }, { path: "f", operation: "add", content: "x" })),
    ).toEqual([]))

  test("two exact versions of one file", () =>
    expect(ids(changes({ path: "f", content: "1" }, { path: "f", content: "2" }))).toEqual([
      "several_versions@requested_changes[1]",
    ]))

  test("several summaries of one file are one edit", () =>
    expect(ids(changes({ path: "f" }, { path: "f", summary: "and another thing" }))).toEqual([]))

  test("too short to act on, unless the change is given or the context says more", () => {
    const short = { summary: "Fix it", requested_changes: [{ path: "f", summary: "fix" }] }
    expect(ids(short)).toEqual(["vague@requested_changes[0].summary"])
    expect(ids({ ...short, context: "The login form loses its focus." })).toEqual([])
    expect(ids({ ...short, acceptance_criteria: ["the focus stays"] })).toEqual([])
    expect(ids({ ...short, requested_changes: [{ path: "f", summary: "fix", content: "x" }] })).toEqual([])
    expect(ids({ ...short, requested_changes: [{ path: "f", summary: "rm", operation: "delete" }] })).toEqual(
      [],
    )
    expect(ids({ summary: "修复登录错误", requested_changes: [{ path: "f", summary: "修复" }] })).toEqual([])
  })

  test("paths that leave the root or touch our own folders", () => {
    expect(
      ids(
        changes(
          { path: "../x" },
          { path: "/etc/passwd" },
          { path: "a/../../x" },
          { path: ".git/config" },
          { path: "a//b" },
          { path: "a..b" },
        ),
      ),
    ).toEqual([
      "path_traversal@requested_changes[0].path",
      "path_absolute@requested_changes[1].path",
      "path_traversal@requested_changes[2].path",
      "path_protected@requested_changes[3].path",
      "path_component@requested_changes[4].path",
    ])
  })

  test("every question says what it is about, and ids are unique", () => {
    const { questions } = run(
      changes(
        { path: "../x", patch: added, content: "x", operation: "delete" },
        { path: "../x", operation: "add" },
      ),
    )
    expect(questions.length).toBeGreaterThan(3)
    expect(new Set(questions.map(({ id }) => id)).size).toBe(questions.length)
    for (const { question, about } of questions) {
      expect(question).toContain("?")
      expect(about).toStartWith("requested_changes[")
    }
  })
})

test("deterministic, keeps what it does not fill in, and never throws", () => {
  const text = FastCheck.string({ unit: "binary", minLength: 1 }).map((value) => `x${value}`)
  const change = FastCheck.record(
    {
      path: text,
      summary: text,
      operation: FastCheck.constantFrom("add", "update", "delete"),
      patch: text,
      content: text,
      checks: FastCheck.array(text),
    },
    { requiredKeys: ["path", "summary"] },
  )
  FastCheck.assert(
    FastCheck.property(FastCheck.array(change, { minLength: 1 }), text, (requested, summary) => {
      const over = { requested_changes: requested, summary, metadata: { intent: "kept" }, extra: 1 }
      const result = run(over)
      expect(run(over)).toEqual(result)
      expect(result.request).toMatchObject({ metadata: { intent: "kept" }, extra: 1 })
      expect(result.reasons.map(({ field }) => field)).toEqual(["kind", "acceptance_criteria", "priority"])
    }),
    { numRuns: 50 },
  )
})

test("a request of the largest size is clarified in a moment", () => {
  const requested = Array.from({ length: 20_000 }, (_, index) => ({ path: `f${index}`, summary: "a" }))
  const started = performance.now()
  expect(
    run({ summary: "a", context: "a ".repeat(1_000_000), requested_changes: requested }).questions,
  ).toHaveLength(20_000)
  // Ten times the measured time: it fails on quadratic work, not on a busy machine.
  expect(performance.now() - started).toBeLessThan(3_000)
})
