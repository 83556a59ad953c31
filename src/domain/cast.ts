import * as v from "valibot"
import { ApprovalClaim, ApprovalRecord } from "./approval.ts"
import { Assignment } from "./assignment.ts"
import { ChangeRequest, type ValidatedChangeRequest } from "./change-request.ts"
import { GuardOutput } from "./guard.ts"
import { canonicalDigest } from "./hash.ts"
import { AgentName, CastId, RequestId, Sha256Hex, TaskId } from "./ids.ts"
import { RequestedChange } from "./request.ts"
import { MAX_TTL_SECONDS, type Millis, Timestamp, toTimestamp } from "./time.ts"

export const CAST_VERSION = 1

/**
 * The checksummed payload that enters the queue. `checksum` covers every field before it except `cast_id`, which is
 * made from it; the four fields after it are *about* it: the audit head it was made at, its sequence number, and what
 * people and guards said.
 */
export const CastPayload = v.strictObject({
  version: v.literal(CAST_VERSION),
  cast_id: CastId,
  request_id: RequestId,
  task_id: TaskId,
  agent_id: AgentName,
  created_at: Timestamp,
  ttl_seconds: v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(MAX_TTL_SECONDS)),
  telemetry_anchors: v.array(v.string()),
  change_request: ChangeRequest,
  checksum: Sha256Hex,
  audit_token: v.string(),
  wal_anchor: v.pipe(v.number(), v.integer(), v.minValue(0)),
  approvals: v.array(v.union([ApprovalRecord, ApprovalClaim])),
  guard_outputs: v.array(GuardOutput),
})
export type CastPayload = v.InferOutput<typeof CastPayload>

export const castChecksum = (cast: Omit<CastPayload, "checksum" | "cast_id">): string =>
  // In canonical order, which saves the sorting.
  canonicalDigest({
    agent_id: cast.agent_id,
    change_request: cast.change_request,
    created_at: cast.created_at,
    request_id: cast.request_id,
    task_id: cast.task_id,
    telemetry_anchors: cast.telemetry_anchors,
    ttl_seconds: cast.ttl_seconds,
    version: cast.version,
  })

export const castIdOf = (checksum: string): CastId => `cast-${checksum.slice(0, 16)}` as CastId

export interface CastContext {
  readonly requestId: RequestId
  readonly at: Millis
  readonly ttlSeconds: number
  /** Hash and sequence number of the newest audit row. */
  readonly auditHead: { readonly hash: string; readonly seq: number }
}

/** Wraps a validated change request. Pure: the same input, base and clock give the same bytes. */
export const makeCast = (change: ValidatedChangeRequest, context: CastContext): CastPayload => {
  const body = {
    version: CAST_VERSION as typeof CAST_VERSION,
    request_id: context.requestId,
    task_id: change.task_id,
    agent_id: change.agent,
    created_at: toTimestamp(context.at),
    ttl_seconds: context.ttlSeconds,
    telemetry_anchors: change.metadata.telemetry_anchors,
    change_request: change as ChangeRequest,
    audit_token: context.auditHead.hash,
    wal_anchor: context.auditHead.seq,
    approvals: [...change.metadata.approvals],
    guard_outputs: [],
  }
  const checksum = castChecksum(body)
  return {
    version: body.version,
    cast_id: castIdOf(checksum),
    request_id: body.request_id,
    task_id: body.task_id,
    agent_id: body.agent_id,
    created_at: body.created_at,
    ttl_seconds: body.ttl_seconds,
    telemetry_anchors: body.telemetry_anchors,
    change_request: body.change_request,
    checksum,
    audit_token: body.audit_token,
    wal_anchor: body.wal_anchor,
    approvals: body.approvals,
    guard_outputs: body.guard_outputs,
  }
}

export const expiresAt = (cast: Pick<CastPayload, "created_at" | "ttl_seconds">): Millis =>
  Date.parse(cast.created_at) + cast.ttl_seconds * 1_000

/** A request with its split and casts, as written to `taskjson/<REQUEST_ID>.json`. */
export const CastBundle = v.strictObject({
  schema_version: v.optional(v.literal(1), 1),
  request_id: RequestId,
  summary: v.string(),
  requested_changes: v.array(RequestedChange),
  assignments: v.array(Assignment),
  casts: v.array(CastPayload),
})
export type CastBundle = v.InferOutput<typeof CastBundle>
