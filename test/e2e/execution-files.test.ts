import { afterEach, describe, expect } from "bun:test"
import { readFileSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import * as v from "valibot"
import { NextTaskContext } from "../../src/domain/next-task.ts"
import { QueueMetrics } from "../../src/domain/records.ts"
import { requestOf } from "../support/workspace.ts"
import { binaryTest, type E2e, openE2e } from "./support.ts"

let ground: E2e
afterEach(() => ground.remove())

const textOf = (name: string): string => readFileSync(join(ground.root, "execution", name), "utf8")
const context = () => v.parse(NextTaskContext, JSON.parse(textOf("next_task_context.json")))
const report = () => v.parse(QueueMetrics, JSON.parse(textOf("verification_report.json")))

const add = (path: string, more: object = {}) => ({
  path,
  summary: `Write ${path}`,
  operation: "add",
  content: "x\n",
  ...more,
})

describe("what a run leaves in execution/", () => {
  binaryTest("says what comes next, from the request to its last landing", () => {
    ground = openE2e()
    const request = {
      request_id: "greet",
      summary: "Say hello",
      kind: "feature",
      phases: [
        { id: "second", name: "Then", ordinal: 2 },
        { id: "first", name: "First", ordinal: 1 },
      ],
      requested_changes: [
        add("one.txt", { phase_id: "first" }),
        add("two.txt", { phase_id: "second", content: undefined }),
      ],
    }
    expect(ground.run(["request", ground.file(request)]).code).toBe(1)
    const asked = context()
    // The stub invents nothing, so the second assignment waits for an agent that can write.
    expect(asked.next_task).toMatchObject({
      task_id: "greet-2",
      request_id: "greet",
      entry_id: null,
      state: "unanswered",
      files: ["two.txt"],
      complexity: expect.any(Number),
      intent: expect.stringContaining("two.txt"),
    })
    const none = { tasks: 1, unanswered: 0, open: 0, applied: 0, ended: 0 }
    expect(asked.phase_progress).toEqual([
      { phase_id: "first", name: "First", ...none, open: 1 },
      { phase_id: "second", name: "Then", ...none, unanswered: 1 },
    ])
    expect(asked.cast_builder).toMatchObject({
      request_id: "greet",
      status: "enqueued",
      exported_at: null,
      skill_export: { status: "not_exported", exported_at: null },
    })
    expect(report()).toMatchObject({
      queue_depth: 1,
      cast_builder: { request_id: "greet", status: "enqueued", exported_at: null },
    })

    const answer = requestOf("greet-2", { "two.txt": "y\n" })
    expect(ground.enqueue({ ...answer, agent: "ada" }).stderr).toBe("")
    expect(context().next_task).toMatchObject({ task_id: "greet-1", entry_id: 1, state: "pending" })
    expect(ground.run(["worker", "--drain"]).code).toBe(0)
    const done = context()
    expect(done.next_task).toBeNull()
    expect(done.phase_progress.map(({ applied }) => applied)).toEqual([1, 1])
    expect(done.cast_builder).toMatchObject({ request_id: "greet", status: "consumed" })
    expect(report()).toMatchObject({ cast_builder: { status: "consumed" }, success_rate: 1 })
  })

  binaryTest("carries what a change request says about itself, and shows who it waits for", () => {
    ground = openE2e({ approvals: { required: 1, presence: "tty" } })
    const metadata = {
      intent: "say \u202ehello",
      complexity: 7,
      sample_diff: `+${"x".repeat(20_000)}`,
      telemetry_anchors: ["greeting"],
      approvals: [{ approver: "nobody" }],
      agent_model: "large",
    }
    expect(ground.enqueue(requestOf("one", { "one.txt": "x\n" }, { metadata })).stderr).toBe("")
    expect(ground.run(["worker", "--drain"]).code).toBe(0)
    const { next_task: next, cast_builder: builder } = context()
    for (const work of [next, builder])
      expect(work).toMatchObject({
        ...metadata,
        sample_diff: metadata.sample_diff.slice(0, 16_384),
        approvals: [{ approver: "nobody" }],
      })
    expect(next).toMatchObject({ task_id: "one", state: "awaiting_approval", files: ["one.txt"] })
    expect(textOf("next_task_context.json")).toContain("say \\u202ehello")
    expect(ground.run(["cancel", "one"]).code).toBe(0)
    expect(ground.run(["worker", "--drain"]).code).toBe(0)
    expect(context()).toMatchObject({ next_task: null, cast_builder: { status: "consumed" } })
  })

  binaryTest("leaves a cast that is being built alone, and follows it once it is in the queue", () => {
    ground = openE2e()
    const file = join(ground.root, "execution/next_task_context.json")
    ground.goodChange()
    const built = {
      request_id: "CAST-1",
      status: "exported",
      exported_at: "2026-03-01T12:00:00Z",
      intent: "built",
      skill_export: { status: "exported", exported_at: 5 },
    }
    writeFileSync(file, JSON.stringify({ ...context(), cast_builder: built }))
    ground.goodChange()
    expect(context().cast_builder).toMatchObject(built)
    expect(report().cast_builder).toEqual({
      request_id: "CAST-1",
      status: "exported",
      exported_at: built.exported_at,
    })
    const request = {
      request_id: "CAST-1",
      summary: "Cast it",
      kind: "docs",
      requested_changes: [add("c.txt")],
    }
    expect(ground.run(["request", ground.file(request)]).code).toBe(0)
    expect(context().cast_builder).toMatchObject({
      request_id: "CAST-1",
      status: "enqueued",
      exported_at: built.exported_at,
      skill_export: built.skill_export,
    })
    expect(ground.run(["worker", "--drain"]).code).toBe(0)
    expect(context().cast_builder?.status).toBe("consumed")
    for (const broken of ["", "[]", "{", '{"cast_builder":{"status":7}}']) {
      writeFileSync(file, broken)
      ground.goodChange()
      expect(context().cast_builder?.status).toBe("consumed")
    }
  })

  binaryTest("is nobody's failure when it cannot be written, and is not written by a dry run", () => {
    ground = openE2e()
    ground.run(["enqueue", ground.file(requestOf("dry", { "dry.txt": "x\n" })), "--dry-run"])
    expect(() => textOf("next_task_context.json")).toThrow()
    rmSync(join(ground.root, "execution"), { recursive: true, force: true })
    writeFileSync(join(ground.root, "execution"), "in the way")
    ground.goodChange()
  })
})
