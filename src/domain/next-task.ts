import * as v from "valibot"
import { ApprovalClaim } from "./approval.ts"
import { STATES } from "./entry.ts"

/** What a piece of work is for, as its assignment or its cast says. `approvals` are claims: shown, never counted. */
const work = {
  intent: v.nullable(v.string()),
  complexity: v.nullable(v.number()),
  /** Cut at 16,384 characters. */
  sample_diff: v.nullable(v.string()),
  telemetry_anchors: v.array(v.string()),
  approvals: v.array(ApprovalClaim),
  agent_model: v.nullable(v.string()),
}
export const MAX_SAMPLE_DIFF = 16_384

const CAST_STATUSES = ["draft", "finalized", "exported", "enqueued", "consumed"] as const
export type CastStatus = (typeof CAST_STATUSES)[number]

const SkillExport = v.strictObject({
  status: v.picklist(["not_exported", "exported"]),
  exported_at: v.nullable(v.union([v.string(), v.number()])),
})

export const CastBuilderContext = v.strictObject({
  request_id: v.nullable(v.string()),
  status: v.nullable(v.picklist(CAST_STATUSES)),
  exported_at: v.nullable(v.union([v.string(), v.number()])),
  ...work,
  skill_export: SkillExport,
})
export type CastBuilderContext = v.InferOutput<typeof CastBuilderContext>

export const NextTask = v.strictObject({
  task_id: v.string(),
  request_id: v.string(),
  /** Null: no agent has answered it yet. */
  entry_id: v.nullable(v.number()),
  state: v.picklist(["unanswered", ...STATES]),
  agent: v.string(),
  files: v.array(v.string()),
  checks: v.array(v.string()),
  ...work,
})
export type NextTask = v.InferOutput<typeof NextTask>

export const PhaseProgress = v.strictObject({
  phase_id: v.string(),
  name: v.string(),
  tasks: v.number(),
  unanswered: v.number(),
  open: v.number(),
  applied: v.number(),
  ended: v.number(),
})
export type PhaseProgress = v.InferOutput<typeof PhaseProgress>

/** `execution/next_task_context.json`: what comes next, for agents and panels. Nothing is decided by it. */
export const NextTaskContext = v.strictObject({
  schema_version: v.literal(1),
  timestamp: v.number(),
  next_task: v.nullable(NextTask),
  phase_progress: v.array(PhaseProgress),
  cast_builder: v.nullable(CastBuilderContext),
})
export type NextTaskContext = v.InferOutput<typeof NextTaskContext>
