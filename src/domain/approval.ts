import * as v from "valibot"
import { AgentName, Sha256Hex } from "./ids.ts"
import { Timestamp } from "./time.ts"

/** What an agent or a file *says* about approvals. Displayed, never counted. `timestamp` may be epoch seconds. */
export const ApprovalClaim = v.strictObject({
  approver: AgentName,
  note: v.optional(v.string()),
  timestamp: v.optional(v.union([v.string(), v.number()])),
  role: v.optional(v.string()),
})
export type ApprovalClaim = v.InferOutput<typeof ApprovalClaim>

/**
 * A human's approval. `digest` is what it binds: an `approvalDigest` for an entry, or a request's digest as intent.
 * `attested` is true only with a verified signature.
 */
export const ApprovalRecord = v.strictObject({
  approver: AgentName,
  note: v.optional(v.string()),
  timestamp: Timestamp,
  role: v.optional(v.string()),
  digest: Sha256Hex,
  attested: v.boolean(),
  signature: v.optional(v.string()),
})
export type ApprovalRecord = v.InferOutput<typeof ApprovalRecord>
