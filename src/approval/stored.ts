import type { Presence } from "../domain/policy.ts"
import type { StoredApproval } from "./rules.ts"

/** The columns of a stored decision that the rules read. */
export interface DecisionRow {
  readonly decision: "approve" | "reject"
  readonly approver: string
  readonly digest: string
  readonly presence: Presence
  /** A JSON array of paths. */
  readonly acknowledged: string
  readonly voided_at: number | null
}

/** The approvals among stored decisions; a rejection is none. */
export const storedApprovals = (rows: readonly DecisionRow[]): readonly StoredApproval[] =>
  rows
    .filter((row) => row.decision === "approve")
    .map((row) => ({
      approver: row.approver,
      digest: row.digest,
      presence: row.presence,
      acknowledged: JSON.parse(row.acknowledged),
      voided: row.voided_at !== null,
    }))
