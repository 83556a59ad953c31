import * as v from "valibot"
import { Operation } from "./change-request.ts"
import { RequestId } from "./ids.ts"
import { keyPath } from "./violation.ts"

export const Priority = v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(9))
export const DEFAULT_PRIORITY = 5
export const RequestKind = v.picklist(["feature", "bugfix", "refactor", "docs"])
export type RequestKind = v.InferOutput<typeof RequestKind>

export const RequestedChange = v.looseObject({
  path: v.pipe(v.string(), v.minLength(1)),
  summary: v.pipe(v.string(), v.trim(), v.minLength(1)),
  operation: v.optional(Operation),
  patch: v.optional(v.string()),
  content: v.optional(v.string()),
  checks: v.optional(v.array(v.string())),
  phase_id: v.optional(v.nullable(v.string())),
  blocking_on_failure: v.optional(v.boolean()),
  ensure_exists: v.optional(v.boolean()),
})
export type RequestedChange = v.InferOutput<typeof RequestedChange>

export const PhaseSpec = v.looseObject({
  id: v.pipe(v.string(), v.minLength(1)),
  name: v.string(),
  ordinal: v.pipe(v.number(), v.integer(), v.minValue(0)),
  failure_policy: v.optional(v.picklist(["block", "continue"]), "block"),
})
export type PhaseSpec = v.InferOutput<typeof PhaseSpec>

export const Landing = v.picklist(["independent", "in_order", "together"])
export type Landing = v.InferOutput<typeof Landing>

/** What a human asks for. Unknown keys are kept and warned about: the original accepted more than it read. */
export const TaskRequest = v.looseObject({
  schema_version: v.optional(v.literal(1)),
  request_id: RequestId,
  summary: v.pipe(v.string(), v.trim(), v.minLength(1)),
  kind: v.optional(RequestKind),
  context: v.optional(v.string()),
  acceptance_criteria: v.optional(v.array(v.string())),
  requested_changes: v.pipe(v.array(RequestedChange), v.minLength(1, "must hold at least one change")),
  phases: v.optional(v.array(PhaseSpec)),
  priority: v.optional(Priority, DEFAULT_PRIORITY),
  landing: v.optional(Landing, "independent"),
  depends_on: v.optional(v.array(v.string())),
  metadata: v.optional(v.record(v.string(), v.unknown())),
})
export type TaskRequest = v.InferOutput<typeof TaskRequest>

const KNOWN = new Set(Object.keys(TaskRequest.entries))
const KNOWN_CHANGE = new Set(Object.keys(RequestedChange.entries))
const KNOWN_PHASE = new Set(Object.keys(PhaseSpec.entries))

/** Keys nobody reads, as paths: shown as warnings, so that a misspelt field is not silently lost. */
export const unknownKeys = (request: TaskRequest): readonly string[] => [
  ...Object.keys(request)
    .filter((key) => !KNOWN.has(key))
    .map((key) => keyPath("", key)),
  ...request.requested_changes.flatMap((change, index) =>
    Object.keys(change)
      .filter((key) => !KNOWN_CHANGE.has(key))
      .map((key) => keyPath(`requested_changes[${index}]`, key)),
  ),
  ...(request.phases ?? []).flatMap((phase, index) =>
    Object.keys(phase)
      .filter((key) => !KNOWN_PHASE.has(key))
      .map((key) => keyPath(`phases[${index}]`, key)),
  ),
]
