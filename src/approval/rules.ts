import type { Policy, Presence } from "../domain/policy.ts"
import { protects } from "../domain/sensitive.ts"

/** An approval as stored, or about to be. */
export interface StoredApproval {
  readonly approver: string
  readonly digest: string
  readonly presence: Presence
  readonly acknowledged: readonly string[]
  readonly voided: boolean
}

export interface ApprovalQuestion {
  readonly policy: Policy
  /** Who made the change, under every name it is known by; their approval of it never counts. */
  readonly agent: string | readonly string[]
  readonly paths: readonly string[]
  readonly sensitive: readonly string[]
  /** What an approval must bind. */
  readonly digest: string
  /** The cast's checksum: an approval given before the guards ran binds it. */
  readonly checksum: string
  /** The change applied exactly as written: then the checksum determines every byte, and early approvals count. */
  readonly exact: boolean
  /** Only those stored for this very entry. */
  readonly approvals: readonly StoredApproval[]
}

export interface ApprovalAnswer {
  readonly satisfied: boolean
  readonly required: number
  readonly counted: readonly StoredApproval[]
  /** Sensitive paths nobody has named yet. */
  readonly unacknowledged: readonly string[]
  /** Counted only because `approvals.survive_rebase` is set: given for what would have landed before a rebase. */
  readonly survived: boolean
  /** One line: what is missing. Empty when satisfied. */
  readonly missing: string
}

const STRENGTH: Record<Presence, number> = { none: 0, tty: 1, signature: 2 }

/** One spelling of a name, so that nobody is two people by a capital letter. */
export const personKey = (name: string): string => name.normalize("NFKC").trim().toLowerCase()

export interface ApprovalDemand {
  readonly required: number
  /** The weakest presence that counts. */
  readonly presence: Presence
}

/**
 * How many approvals a change of these paths needs, and of what kind. Tiers only raise. Without `unattended` nothing
 * lands unseen: `required: 0` means 1 and `presence: none` means `tty`. A sensitive path always needs somebody.
 */
export const approvalDemand = (
  policy: Policy,
  paths: readonly string[],
  sensitive: readonly string[],
): ApprovalDemand => {
  const { approvals } = policy
  const tiers = approvals.tiers.filter((tier) =>
    tier.paths.some((pattern) => {
      const matches = protects(pattern)
      return paths.some(matches)
    }),
  )
  const atLeastOne = sensitive.length > 0 || !approvals.unattended
  const strongest = [approvals.presence, ...tiers.map((tier) => tier.presence ?? "none")].reduce<Presence>(
    (most, next) => (STRENGTH[next] > STRENGTH[most] ? next : most),
    "none",
  )
  return {
    required: Math.max(approvals.required, atLeastOne ? 1 : 0, ...tiers.map((tier) => tier.required)),
    presence: strongest === "signature" ? "signature" : approvals.unattended ? "none" : "tty",
  }
}

/** Whether the approvals given so far allow this landing, and what is missing. Pure. */
export const judgeApprovals = (question: ApprovalQuestion): ApprovalAnswer => {
  const { policy, sensitive } = question
  const { required, presence } = approvalDemand(policy, question.paths, sensitive)
  const makers = new Set([question.agent].flat().map(personKey))
  const binds = ({ digest }: StoredApproval): boolean =>
    digest === question.digest || (question.exact && digest === question.checksum)
  // What was given for a proof may outlive a rebase; a bare checksum never stands for bytes it does not determine.
  const survives = ({ digest }: StoredApproval): boolean =>
    policy.approvals.survive_rebase && digest !== question.checksum
  const valid = question.approvals.filter(
    (approval) =>
      !approval.voided &&
      !makers.has(personKey(approval.approver)) &&
      STRENGTH[approval.presence] >= STRENGTH[presence] &&
      (binds(approval) || survives(approval)),
  )
  const people = new Map<string, StoredApproval>()
  // A person who approved both counts with the one that binds.
  for (const approval of [...valid.filter((one) => !binds(one)), ...valid.filter(binds)])
    people.set(personKey(approval.approver), approval)
  const counted = [...people.values()]
  const named = new Set(valid.flatMap((approval) => approval.acknowledged))
  const unacknowledged = sensitive.filter((path) => !named.has(path))
  const short = required - counted.length
  const missing = [
    ...(short > 0
      ? [`${short} more approval${short === 1 ? "" : "s"}${presence === "none" ? "" : ` (${presence})`}`]
      : []),
    ...(unacknowledged.length > 0 ? [`acknowledgement of ${someOf(unacknowledged)}`] : []),
  ].join(" and ")
  return {
    satisfied: missing === "",
    required,
    counted,
    unacknowledged,
    survived: counted.some((approval) => !binds(approval)),
    missing,
  }
}

/** Paths named in one line. */
const SHOWN = 5

const someOf = (paths: readonly string[]): string =>
  paths.length <= SHOWN
    ? paths.join(", ")
    : `${paths.slice(0, SHOWN).join(", ")} and ${paths.length - SHOWN} more`
