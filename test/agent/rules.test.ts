import { describe, expect, test } from "bun:test"
import { answerTo } from "../../src/agent/answer.ts"
import { classifyExit } from "../../src/agent/failure.ts"
import { chooseModel } from "../../src/agent/model.ts"
import { isFullyExplicit, stubAnswer } from "../../src/agent/stub.ts"
import { ChangeRequest } from "../../src/domain/change-request.ts"
import { sha256Hex } from "../../src/domain/hash.ts"
import { parseDocument } from "../../src/domain/parse-document.ts"
import { DEFAULT_POLICY } from "../../src/domain/policy.ts"
import type { RequestedChange } from "../../src/domain/request.ts"
import { assignment, document } from "./support.ts"

const change = (over: Record<string, unknown>): RequestedChange => ({
  path: "a.ts",
  summary: "greet",
  ...over,
})

describe("model", () => {
  const policy = DEFAULT_POLICY.agent
  const choose = (complexity: number, agent_model?: string | null, flag?: string) =>
    chooseModel({ metadata: { complexity, agent_model }, flag }, policy).model

  test("complexity never overrides a model that a person named", () => {
    for (let complexity = 1; complexity <= 10; complexity++) {
      expect(choose(complexity, "gpt-5-mini")).toBe("gpt-5-mini")
      expect(choose(complexity, null, "mine")).toBe("mine")
      expect(choose(complexity, "gpt-5-mini", "mine")).toBe("mine")
    }
  })

  test("else the small one up to the limit", () => {
    expect([1, 3, 4, 10].map((complexity) => choose(complexity))).toEqual([
      "gpt-4.1",
      "gpt-4.1",
      "gpt-5-mini",
      "gpt-5-mini",
    ])
    expect(choose(2, null, "")).toBe("gpt-4.1")
  })

  test("the choice says why", () => {
    expect(chooseModel({ metadata: { complexity: 3 } }, policy).why).toBe("complexity 3 is at most 3")
    expect(chooseModel({ metadata: { complexity: 4 } }, policy).why).toBe("complexity 4 is above 3")
  })
})

describe("completing an answer", () => {
  const complete = (over: Record<string, unknown> = {}) => {
    const result = answerTo(document(over), assignment())
    if (!result.ok) throw new Error(result.error)
    return result.value
  }

  test("task, agent, intent and complexity are the assignment's; its checks are added", () => {
    expect(complete()).toMatchObject({
      task_id: "R-1-1",
      agent: "developer-1",
      base_revision: "a".repeat(40),
      metadata: { intent: "greet the user", complexity: 7 },
      checks: ["test", "lint"],
    })
    expect(complete({ checks: ["test"] })["checks"]).toEqual(["test"])
    expect(complete({ checks: undefined, metadata: undefined, task_id: undefined })).toMatchObject({
      task_id: "R-1-1",
      metadata: { intent: "greet the user" },
      checks: ["test"],
    })
  })

  test("an agent's approvals stand beside those that were there, never in their place", () => {
    const claimed = { approver: "the agent itself" }
    expect(complete({ metadata: { approvals: [claimed] } })["metadata"]).toMatchObject({
      approvals: [{ approver: "Ada", note: "go" }, claimed],
    })
    expect(complete({ metadata: { approvals: [] } })["metadata"]).toMatchObject({
      approvals: [{ approver: "Ada", note: "go" }],
    })
  })

  test("a base the agent states is its own", () =>
    expect(complete({ base_revision: "b".repeat(40) })["base_revision"]).toBe("b".repeat(40)))

  test("the answer to another task is none", () => {
    expect(answerTo(document({ task_id: "R-1-2" }), assignment())).toEqual({
      ok: false,
      error: 'the answer is for "R-1-2", not for R-1-1',
    })
    expect(answerTo(document({ task_id: 5 }), assignment()).ok).toBe(false)
  })

  test("what is malformed is left for the validator", () => {
    expect(complete({ metadata: "x", checks: 5 })).toMatchObject({ metadata: "x", checks: 5 })
    expect(complete({ metadata: { approvals: "me" } })["metadata"]).toMatchObject({ approvals: "me" })
  })
})

describe("stub", () => {
  const answer = (
    changes: readonly RequestedChange[],
    over: Record<string, unknown> = {},
    existing?: string[],
  ) => stubAnswer(assignment(over), changes, existing && new Set(existing))

  test("explicit changes become a valid change request with the right hashes", () => {
    const patch = "--- a/a.ts\n+++ b/a.ts\n@@ -1 +1 @@\n-a\n+é\n"
    const result = answer(
      [
        change({ patch }),
        change({ path: "b", content: "b", operation: "add" }),
        change({ path: "c", operation: "delete" }),
      ],
      { file_targets: ["a.ts", "b", "c"], depends_on: ["R-0-1"] },
    )
    if (!result.ok) throw new Error(result.error.join())
    expect(result.value).toMatchObject({
      task_id: "R-1-1",
      agent: "developer-1",
      base_revision: "a".repeat(40),
      metadata: assignment().metadata,
      changes: [
        { path: "a.ts", operation: "update", patch, patch_hash: sha256Hex(patch) },
        { path: "b", operation: "add", content: "b", patch_hash: sha256Hex("b") },
        { path: "c", operation: "delete", content: "", patch_hash: sha256Hex("") },
      ],
      checks: ["test"],
      depends_on: ["R-0-1"],
    })
    expect(result.value.changes.every((one) => one.base_hash === undefined)).toBe(true)
    expect(parseDocument(ChangeRequest, JSON.parse(JSON.stringify(result.value)))).toEqual(result)
    expect(answer([change({ patch })])).toEqual(answer([change({ patch })]))
  })

  test("the operation is read from the patch's header, else from what the base has", () => {
    const operation = (one: RequestedChange, existing?: string[]) => {
      const result = answer([one], {}, existing)
      return result.ok ? result.value.changes[0]!.operation : result.error
    }
    expect(operation(change({ patch: "new file mode 100644\n--- /dev/null\n+++ b/a.ts\n@@" }))).toBe("add")
    expect(operation(change({ patch: "--- a/a.ts\n+++ /dev/null\n@@" }))).toBe("delete")
    expect(operation(change({ patch: "@@ -1 +1 @@\n--- /dev/null\n" }))).toBe("update")
    expect(operation(change({ content: "x" }), ["a.ts"])).toBe("update")
    expect(operation(change({ content: "x" }), [])).toBe("add")
    expect(operation(change({ content: "x" }))).toBe("update")
    expect(operation(change({ content: "x", ensure_exists: true }))).toBe("add")
    expect(operation(change({ content: "x", operation: "add" }), ["a.ts"])).toBe("add")
  })

  test("nothing is ever invented: without exact material it names the files", () => {
    expect(answer([change({})])).toEqual({ ok: false, error: ["a.ts"] })
    expect(answer([])).toEqual({ ok: false, error: ["a.ts"] })
    expect(answer([change({ ensure_exists: true, operation: "add" })])).toEqual({
      ok: false,
      error: ["a.ts"],
    })
    const two = { file_targets: ["a.ts", "b"] }
    expect(answer([change({ content: "x" })], two)).toEqual({ ok: false, error: ["b"] })
    expect(answer([change({ content: "x" }), change({}), change({ path: "b", content: "" })], two)).toEqual({
      ok: false,
      error: ["a.ts"],
    })
    expect(isFullyExplicit(assignment(two), [change({ content: "x" })])).toBe(false)
  })
})

test("what a program wrote when it gave up", () => {
  const signs: readonly (readonly [string, string, boolean])[] = [
    ["HTTP 429 Too Many Requests", "rate_limit", true],
    ["error: overloaded_error", "rate_limit", true],
    ["Not logged in · Please run /login", "auth", false],
    ["No authentication information found.", "auth", false],
    ["401 Unauthorized", "auth", false],
    ["Error: connect ECONNREFUSED 127.0.0.1:1", "unavailable", true],
    ["Could not connect to local model provider", "unavailable", true],
    ["503 Service Unavailable", "unavailable", true],
    ["TypeError: x is not a function", "reply_invalid", false],
    ["port 54290 is not 1429", "reply_invalid", false],
    ["", "reply_invalid", false],
  ]
  for (const [text, reason, transient] of signs)
    expect(classifyExit(text)).toEqual({ reason, transient } as never)
})
