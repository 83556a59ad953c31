import type { Assignment } from "../../src/domain/assignment.ts"
import { sha256Hex } from "../../src/domain/hash.ts"

export const assignment = (over: Record<string, unknown> = {}): Assignment =>
  ({
    schema_version: 1,
    task_id: "R-1-1",
    parent_request_id: "R-1",
    summary: "greet",
    kind: "feature",
    priority: 5,
    file_targets: ["a.ts"],
    instructions: [],
    acceptance_criteria: [],
    checks: ["test"],
    depends_on: [],
    metadata: {
      intent: "greet the user",
      complexity: 7,
      telemetry_anchors: ["cast_builder"],
      approvals: [{ approver: "Ada", note: "go" }],
    },
    blocking_on_failure: false,
    limits: { max_files: 20, max_context_tokens: 1_000 },
    base_revision: "a".repeat(40),
    agent: "developer-1",
    ...over,
  }) as unknown as Assignment

export const document = (over: Record<string, unknown> = {}): Record<string, unknown> => ({
  task_id: "R-1-1",
  agent: "somebody",
  metadata: { intent: "mine", complexity: 1 },
  changes: [{ path: "a.ts", operation: "add", content: "hi {\n", patch_hash: sha256Hex("hi {\n") }],
  checks: ["lint"],
  ...over,
})
