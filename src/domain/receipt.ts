import * as v from "valibot"
import { ApprovalRecord } from "./approval.ts"
import { Operation } from "./change-request.ts"
import { GuardOutput } from "./guard.ts"
import { GitOid, Sha256Hex } from "./ids.ts"
import { Timestamp } from "./time.ts"

/** One path of a landing. Hashes are SHA-256 of content; `null` = absent on that side. */
export const LandedPatch = v.strictObject({
  path: v.string(),
  operation: Operation,
  patch_hash: Sha256Hex,
  before_hash: v.nullable(Sha256Hex),
  after_hash: v.nullable(Sha256Hex),
  mode: v.nullable(v.string()),
})
export type LandedPatch = v.InferOutput<typeof LandedPatch>

/**
 * Proof of a landing. `verified_as` is the tree its guards ran on, `batch` and the tree that several entries made
 * together, to which the branch moved in one step, or `unguarded`.
 */
export const Receipt = v.strictObject({
  schema_version: v.literal(1),
  entry_id: v.number(),
  checksum: Sha256Hex,
  base_tree: v.nullable(GitOid),
  result_tree: GitOid,
  verified_as: v.string(),
  patches: v.array(LandedPatch),
  guard_outputs: v.array(GuardOutput),
  approvals: v.array(ApprovalRecord),
  flags: v.array(v.string()),
  landed_at: Timestamp,
  commit: v.nullable(GitOid),
  audit_seq: v.number(),
})
export type Receipt = v.InferOutput<typeof Receipt>

/** Why a change did not fit, with enough for an agent to answer. Excerpts are text around the first diverging line. */
export const ConflictPacket = v.strictObject({
  schema_version: v.literal(1),
  path: v.string(),
  code: v.string(),
  message: v.string(),
  hunk: v.nullable(v.number()),
  first_diverging_line: v.nullable(v.number()),
  base: v.nullable(v.strictObject({ hash: v.nullable(v.string()), excerpt: v.string() })),
  ours: v.nullable(v.strictObject({ hash: v.nullable(v.string()), excerpt: v.string() })),
  theirs: v.nullable(v.strictObject({ hash: v.nullable(v.string()), excerpt: v.string() })),
})
export type ConflictPacket = v.InferOutput<typeof ConflictPacket>

/** Why an entry failed. Stored with the dead letter and shown by `why`. */
export const FailureReport = v.strictObject({
  schema_version: v.literal(1),
  code: v.string(),
  message: v.string(),
  where: v.string(),
  hint: v.string(),
  evidence: v.array(v.string()),
  stdout_tail: v.optional(v.string()),
  stderr_tail: v.optional(v.string()),
  conflicts: v.optional(v.array(ConflictPacket)),
})
export type FailureReport = v.InferOutput<typeof FailureReport>
