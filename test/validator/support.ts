import type { Assignment } from "../../src/domain/assignment.ts"
import { sha256Hex } from "../../src/domain/hash.ts"
import { DEFAULT_POLICY, type Policy } from "../../src/domain/policy.ts"
import type { Violation } from "../../src/domain/violation.ts"
import type { CheckPatch } from "../../src/validator/rule.ts"
import { type ValidationInput, validateChangeRequest } from "../../src/validator/validate.ts"

export type Doc = Record<string, unknown>

/** An added file with its right hash, overridden by `over`. */
export const change = (path: string, over: Doc = {}): Doc => {
  const content = (over["content"] as string | undefined) ?? "hello\n"
  return { path, operation: "add", content, patch_hash: sha256Hex(content), ...over }
}

export const patched = (path: string, patch: string, over: Doc = {}): Doc => ({
  path,
  operation: "update",
  patch,
  patch_hash: sha256Hex(patch),
  ...over,
})

export const request = (over: Doc = {}): Doc => ({
  task_id: "R1-1",
  agent: "agent-a",
  metadata: { intent: "say hello" },
  changes: [change("src/a.ts")],
  checks: [],
  ...over,
})

export const assignment = (over: Partial<Record<keyof Assignment, unknown>> = {}): Assignment =>
  ({
    schema_version: 1,
    task_id: "R1-1",
    parent_request_id: "R1",
    summary: "hello",
    kind: "feature",
    priority: 5,
    file_targets: ["src/a.ts"],
    instructions: [],
    acceptance_criteria: [],
    checks: [],
    depends_on: [],
    metadata: {
      intent: "the assigned intent",
      complexity: 4,
      telemetry_anchors: ["cast_builder"],
      approvals: [],
    },
    blocking_on_failure: false,
    limits: { max_files: 20, max_context_tokens: 1000 },
    base_revision: null,
    agent: "agent-a",
    ...over,
  }) as Assignment

export const policy = (over: Partial<Policy> = {}): Policy => ({ ...DEFAULT_POLICY, ...over })

export const guard = (id: string, command: string | string[]): Policy["guards"][number] =>
  ({
    id,
    command,
    timeout_seconds: 600,
    network: false,
    when: [],
    cache: true,
    flaky_retries: 1,
    env: [],
  }) as never

export const anyPatch: CheckPatch = () => null

export const validate = (document: unknown, over: Partial<ValidationInput> = {}, check = anyPatch) =>
  validateChangeRequest({ document, policy: DEFAULT_POLICY, tasks: "open", assignment: null, ...over }, check)

export const violations = (
  document: unknown,
  over: Partial<ValidationInput> = {},
  check = anyPatch,
): readonly Violation[] => {
  const result = validate(document, over, check)
  return result.ok ? [] : result.error
}

/** `code@path` of every violation. */
export const told = (
  document: unknown,
  over: Partial<ValidationInput> = {},
  check = anyPatch,
): readonly string[] => violations(document, over, check).map(({ code, path }) => `${code}@${path}`)
