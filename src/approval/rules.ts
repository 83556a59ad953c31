import type { Policy, Presence } from "../domain/policy.ts"

/** An approval or rejection as stored, or about to be. */
export interface StoredApproval {
  readonly approver: string
  readonly digest: string
  readonly presence: Presence
  readonly acknowledged: readonly string[]
  readonly voided: boolean
}

export interface ApprovalQuestion {
  readonly policy: Policy
  /** Who made the change; their approval of it never counts. */
  readonly agent: string
  readonly paths: readonly string[]
  readonly sensitive: readonly string[]
  /** What an approval must bind. */
  readonly digest: string
  /** The cast's checksum: an approval given before the guards ran binds it. */
  readonly checksum: string
  /** The change applied exactly as written: then the checksum determines every byte, and early approvals count. */
  readonly exact: boolean
  readonly approvals: readonly StoredApproval[]
}

export interface ApprovalAnswer {
  readonly satisfied: boolean
  readonly required: number
  readonly counted: readonly StoredApproval[]
  /** Sensitive paths nobody has named yet. */
  readonly unacknowledged: readonly string[]
  /** One line: what is missing. Empty when satisfied. */
  readonly missing: string
}

const STRENGTH: Record<Presence, number> = { none: 0, tty: 1, signature: 2 }

/** Whether the approvals given so far allow this landing, and what is missing. Pure. */
export const judgeApprovals = (question: ApprovalQuestion): ApprovalAnswer => {
  const { policy, paths, sensitive } = question
  const tiers = policy.approvals.tiers.filter((tier) =>
    tier.paths.some((pattern) => {
      const glob = new Bun.Glob(pattern)
      return paths.some((path) => glob.match(path))
    }),
  )
  // Somebody must have looked at a sensitive path, whatever the policy asks of plain changes.
  const required = Math.max(
    policy.approvals.required,
    sensitive.length > 0 ? 1 : 0,
    ...tiers.map((tier) => tier.required),
  )
  const presence = [
    policy.approvals.presence,
    ...tiers.map((tier) => tier.presence ?? "none"),
  ].reduce<Presence>((strongest, next) => (STRENGTH[next] > STRENGTH[strongest] ? next : strongest), "none")
  const least = policy.approvals.unattended && presence === "tty" ? "none" : presence

  const binding = question.approvals.filter(
    (approval) =>
      !approval.voided &&
      (approval.digest === question.digest || (question.exact && approval.digest === question.checksum)),
  )
  const counted = new Map<string, StoredApproval>()
  for (const approval of binding)
    if (approval.approver !== question.agent && STRENGTH[approval.presence] >= STRENGTH[least])
      counted.set(approval.approver, approval)
  const named = new Set([...counted.values()].flatMap((approval) => approval.acknowledged))
  const unacknowledged = sensitive.filter((path) => !named.has(path))
  const short = required - counted.size
  const missing = [
    ...(short > 0 ? [`${short} more approval${short === 1 ? "" : "s"} (${presence})`] : []),
    ...(unacknowledged.length > 0 ? [`acknowledgement of ${unacknowledged.join(", ")}`] : []),
  ].join(" and ")
  return { satisfied: missing === "", required, counted: [...counted.values()], unacknowledged, missing }
}
