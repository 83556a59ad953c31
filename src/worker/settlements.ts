import type { ApprovalRecord } from "../domain/approval.ts"
import { contentHash } from "../domain/files.ts"
import type { GuardOutput } from "../domain/guard.ts"
import type { FailureReport, LandedPatch, Receipt } from "../domain/receipt.ts"
import { type Millis, toTimestamp } from "../domain/time.ts"
import type { Lease } from "../queue/lease.ts"
import type { ApprovalRow } from "../queue/queue.sql.ts"
import type { Settlement, Verification } from "../queue/settle.ts"
import type { Base } from "./base.ts"
import type { ReceiptDraft } from "./LandingBook.ts"
import { type Candidacy, verificationBody } from "./plan.ts"
import type { Happening } from "./report.ts"

export const verificationOf = (
  entry: Candidacy,
  base: Base,
  resultTree: string,
  outputs: GuardOutput[],
  flags: readonly string[],
): Verification => ({
  baseCommit: base.commit,
  baseTree: base.tree,
  resultTree,
  approvalDigest: entry.digest,
  guards: outputs.length,
  body: verificationBody(entry, outputs, flags, base.policy.digest),
})

/** The counted approvals as the receipt keeps them. */
const approvalRecords = (entry: Candidacy): ApprovalRecord[] => {
  const isCounted = (row: ApprovalRow) =>
    entry.answer.counted.some(({ approver, digest }) => approver === row.approver && digest === row.digest)
  return entry.approvals
    .filter((row) => row.decision === "approve" && row.voided_at === null && isCounted(row))
    .map((row: ApprovalRow) => ({
      approver: row.approver,
      timestamp: toTimestamp(row.created_at),
      digest: row.digest,
      attested: row.attested === 1,
      ...(row.note !== null && { note: row.note }),
      ...(row.role !== null && { role: row.role }),
      ...(row.signature !== null && { signature: row.signature }),
    }))
}

const landedPatches = (entry: Candidacy): LandedPatch[] => {
  const effects = new Map(entry.change.effects.map((effect) => [effect.path, effect]))
  return entry.lease.cast.change_request.changes.map((change) => {
    const effect = effects.get(change.path)
    return {
      path: change.path,
      operation: change.operation,
      patch_hash: change.patch_hash,
      before_hash: effect?.before ? contentHash(effect.before) : null,
      after_hash: effect?.after ? contentHash(effect.after) : null,
      mode: effect?.after?.mode ?? null,
    }
  })
}

export interface Landed {
  readonly entry: Candidacy
  readonly baseTree: string
  readonly resultTree: string
  /** As in the receipt: the tree its guards ran on, `batch` and the tree that several make together, or `unguarded`. */
  readonly verifiedAs: string
  readonly commit: string | null
  readonly outputs: readonly GuardOutput[]
  readonly flags: readonly string[]
}

/** The receipt but for when it was landed and the audit row that says so. */
export const receiptDraft = (landed: Landed): ReceiptDraft => ({
  schema_version: 1,
  entry_id: landed.entry.lease.entry.id,
  checksum: landed.entry.lease.cast.checksum,
  base_tree: landed.baseTree,
  result_tree: landed.resultTree,
  verified_as: landed.verifiedAs,
  patches: landedPatches(landed.entry),
  guard_outputs: [...landed.outputs],
  approvals: approvalRecords(landed.entry),
  flags: [...landed.entry.flags, ...landed.flags],
  commit: landed.commit,
})

export const receiptOf = (draft: ReceiptDraft, at: Millis, auditSeq: number): Receipt => ({
  ...draft,
  landed_at: toTimestamp(at),
  audit_seq: auditSeq,
})

export const happening = (
  lease: Lease,
  outcome: Happening["outcome"],
  code: string | null,
  message: string,
  commit: string | null = null,
): Happening => ({ entry_id: lease.entry.id, task_id: lease.cast.task_id, outcome, commit, code, message })

/** An entry that does not fit: a conflict waits for a new answer, an invalid one is a dead letter. */
export const refused = (lease: Lease, kind: "conflict" | "invalid", report: FailureReport): Settlement =>
  kind === "conflict"
    ? { to: "conflict", lease, report }
    : { to: "failed", lease, reasonClass: "apply", report }
