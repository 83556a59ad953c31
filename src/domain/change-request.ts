import * as v from "valibot"
import { ApprovalClaim } from "./approval.ts"
import { canonicalDigest } from "./hash.ts"
import { AgentName, GitOid, Sha256Hex, TaskId } from "./ids.ts"
import { Timestamp } from "./time.ts"

export const Operation = v.picklist(["add", "update", "delete"])
export type Operation = v.InferOutput<typeof Operation>

/** A list beside the changes. Real ones hold a handful; the cap keeps a hostile document's answer short. */
const List = <S extends v.GenericSchema>(item: S) =>
  v.pipe(v.array(item), v.maxLength(1_000, "must hold at most 1,000 items"))

export const AssignmentMetadata = v.strictObject({
  intent: v.pipe(v.string(), v.trim(), v.minLength(1, "must say what the change is for")),
  complexity: v.optional(
    v.pipe(
      v.number(),
      v.integer("must be a whole number from 1 (trivial) to 10"),
      v.minValue(1, "must be from 1 (trivial) to 10"),
      v.maxValue(10, "must be from 1 (trivial) to 10"),
    ),
    1,
  ),
  sample_diff: v.optional(v.nullable(v.string())),
  telemetry_anchors: v.optional(List(v.string()), []),
  approvals: v.optional(List(ApprovalClaim), []),
  agent_model: v.optional(v.nullable(v.string())),
})
export type AssignmentMetadata = v.InferOutput<typeof AssignmentMetadata>

/**
 * One path's change: a `patch` (one file's git-style diff) or `content` (the whole new file; `""` for a delete).
 * `patch_hash` is the SHA-256 of the raw bytes of whichever is there, after `patch_encoding` is undone. `base_hash` is
 * the SHA-256 of the pre-image; absent for an add, filled in when the cast is made where an agent leaves it out.
 */
export const Change = v.strictObject({
  path: v.pipe(v.string(), v.minLength(1)),
  operation: Operation,
  patch: v.optional(v.string()),
  content: v.optional(v.string()),
  patch_hash: Sha256Hex,
  patch_encoding: v.optional(v.picklist(["utf8", "base64"])),
  base_hash: v.optional(Sha256Hex),
  signature: v.optional(v.string()),
})
export type Change = v.InferOutput<typeof Change>

/** A line of a commit object is made of it: a line break or an angle bracket would write another header. */
const IdentityText = v.pipe(
  v.string(),
  v.maxLength(1_000),
  v.regex(/^[^\0\n\r<>]*$/, "must be one line without '<' and '>'"),
)

/** Where a change request came from when it was made from a commit: landing keeps author, date and message. */
export const Provenance = v.strictObject({
  revision: GitOid,
  author_name: IdentityText,
  author_email: IdentityText,
  /** Git's own form, `<epoch seconds> <offset>`, so that the landed commit carries the same date. */
  author_date: v.pipe(v.string(), v.regex(/^\d{1,12} [+-]\d{4}$/)),
  authored_at: v.optional(Timestamp),
  message: v.pipe(v.string(), v.regex(/^[^\0]*$/, "must not contain NUL")),
})
export type Provenance = v.InferOutput<typeof Provenance>

export const ChangeRequest = v.strictObject({
  schema_version: v.optional(v.literal(1)),
  task_id: TaskId,
  agent: AgentName,
  base_revision: v.optional(GitOid),
  metadata: AssignmentMetadata,
  changes: v.pipe(v.array(Change), v.minLength(1, "must hold at least one change")),
  checks: v.optional(List(v.string()), []),
  expected_outcomes: v.optional(List(v.string())),
  depends_on: v.optional(List(TaskId)),
  provenance: v.optional(Provenance),
})
export type ChangeRequest = v.InferOutput<typeof ChangeRequest>

declare const validated: unique symbol
/** A change request that passed every rule of the validator; the only kind that can be wrapped into a cast. */
export type ValidatedChangeRequest = ChangeRequest & { readonly [validated]: true }

/** The raw bytes `patch_hash` is taken over. `null` when the encoding is broken or there is neither or both. */
export const payloadBytes = (change: Change): Uint8Array | null => {
  if ((change.patch === undefined) === (change.content === undefined)) return null
  const text = change.patch ?? change.content ?? ""
  if (change.patch_encoding !== "base64") return new TextEncoder().encode(text)
  if (!/^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(text)) return null
  return Buffer.from(text, "base64")
}

/** Deduplication key: what changes and from which base. Agent, model and time do not enter. */
export const payloadHash = (changes: readonly Change[]): string =>
  canonicalDigest(
    changes
      .map(({ path, operation, patch_hash, base_hash }) => ({
        path,
        operation,
        patch_hash,
        base_hash: base_hash ?? null,
      }))
      .sort((a, b) => compareText(a.path, b.path) || compareText(a.operation, b.operation)),
  )

/** By UTF-16 code units, like RFC 8785: independent of locale. */
export const compareText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)
