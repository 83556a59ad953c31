import * as v from "valibot"
import { AssignmentMetadata } from "./change-request.ts"
import { AgentName, GitOid, RequestId, TaskId } from "./ids.ts"
import { Priority, RequestKind } from "./request.ts"

/** One isolated task for one developer agent. `file_targets` are the only paths its answer may touch. */
export const Assignment = v.strictObject({
  schema_version: v.optional(v.literal(1), 1),
  task_id: TaskId,
  parent_request_id: RequestId,
  summary: v.string(),
  kind: RequestKind,
  priority: Priority,
  file_targets: v.array(v.string()),
  instructions: v.array(v.string()),
  acceptance_criteria: v.array(v.string()),
  checks: v.array(v.string()),
  depends_on: v.array(TaskId),
  metadata: AssignmentMetadata,
  phase_id: v.optional(v.nullable(v.string())),
  blocking_on_failure: v.boolean(),
  limits: v.strictObject({
    max_files: v.pipe(v.number(), v.integer(), v.minValue(1)),
    max_context_tokens: v.pipe(v.number(), v.integer(), v.minValue(1)),
  }),
  base_revision: v.nullable(GitOid),
  agent: AgentName,
})
export type Assignment = v.InferOutput<typeof Assignment>

/** The original's wording, kept: agents of its users know these lines. */
export const DEFAULT_INSTRUCTIONS = [
  "Keep changes isolated to the listed files.",
  "Provide a structured JSON change request on completion.",
] as const
