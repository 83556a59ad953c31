import * as v from "valibot"

/** Every state an entry can be in. The order is the wire order of the cumulative counts in the audit log: append only. */
export const STATES = [
  "scheduled",
  "pending",
  "in_progress",
  "verified",
  "awaiting_approval",
  "committing",
  "applied",
  "conflict",
  "failed",
  "cancelled",
] as const
export const EntryState = v.picklist(STATES)
export type EntryState = v.InferOutput<typeof EntryState>

export const TERMINAL: ReadonlySet<EntryState> = new Set(["applied", "conflict", "failed", "cancelled"])
/** The only states in which a worker holds a lease. */
export const LEASED: ReadonlySet<EntryState> = new Set(["in_progress", "committing"])
/** Live = not yet decided: a second submission of the same payload is a duplicate. */
export const isLive = (state: EntryState): boolean => !TERMINAL.has(state)

export interface Transition {
  readonly from: EntryState
  readonly to: EntryState
  /** Name of the audit event that records it. */
  readonly event: string
  readonly when: string
}

const WITHDRAWABLE = ["scheduled", "pending", "in_progress", "verified", "awaiting_approval"] as const
const EXPIRING = ["scheduled", "pending", "verified", "awaiting_approval"] as const

/** The whole state machine. docs/state-machine.md is generated from it; the CHECK constraints of the schema say the same. */
export const TRANSITIONS: readonly Transition[] = [
  { from: "scheduled", to: "pending", event: "promoted", when: "run_at reached" },
  {
    from: "pending",
    to: "in_progress",
    event: "leased",
    when: "a worker leases it; the attempt is counted here",
  },
  { from: "in_progress", to: "verified", event: "verified", when: "guards green, or none" },
  {
    from: "in_progress",
    to: "scheduled",
    event: "retry_scheduled",
    when: "transient or infra, attempts left",
  },
  {
    from: "in_progress",
    to: "pending",
    event: "lease_reclaimed",
    when: "the lease ran out, or its worker has ended",
  },
  {
    from: "in_progress",
    to: "pending",
    event: "given_back",
    when: "the worker returns it; the attempt is not charged",
  },
  {
    from: "in_progress",
    to: "conflict",
    event: "conflicted",
    when: "cannot be rebased onto the current base",
  },
  { from: "in_progress", to: "failed", event: "failed", when: "invalid, guard red, or attempts spent" },
  { from: "verified", to: "awaiting_approval", event: "approval_missing", when: "approvals missing" },
  {
    from: "verified",
    to: "committing",
    event: "committing",
    when: "all approvals there; the landing starts",
  },
  {
    from: "verified",
    to: "pending",
    event: "base_moved",
    when: "the verified tree is no longer what would land",
  },
  {
    from: "awaiting_approval",
    to: "verified",
    event: "approved",
    when: "the last missing approval was given",
  },
  {
    from: "awaiting_approval",
    to: "pending",
    event: "base_moved",
    when: "the verified tree is no longer what would land",
  },
  { from: "committing", to: "applied", event: "applied", when: "landed" },
  { from: "committing", to: "verified", event: "undone", when: "the landing was undone; nothing changed" },
  {
    from: "committing",
    to: "conflict",
    event: "foreign_edit",
    when: "somebody else's edit blocks it; the edit is kept",
  },
  { from: "failed", to: "pending", event: "requeued", when: "requeue with a reason; attempts start at 0" },
  ...EXPIRING.map((from) => ({
    from,
    to: "failed" as const,
    event: "expired",
    when: "TTL over before landing",
  })),
  ...WITHDRAWABLE.flatMap((from) => [
    { from, to: "cancelled" as const, event: "cancelled", when: "withdrawn" },
    { from, to: "cancelled" as const, event: "rejected", when: "a human rejected it" },
    {
      from,
      to: "cancelled" as const,
      event: "superseded",
      when: "a newer answer to the same task replaced it",
    },
  ]),
]

const TABLE = new Map(TRANSITIONS.map((row) => [`${row.from}>${row.event}`, row.to]))

/** Where `event` leads from `from`; `null` when the table has no such row. */
export const transition = (from: EntryState, event: string): EntryState | null =>
  TABLE.get(`${from}>${event}`) ?? null

/** The original's four counts, from ours. */
export const originalStatus = (state: EntryState): "pending" | "in_progress" | "applied" | "failed" => {
  switch (state) {
    case "scheduled":
    case "pending":
      return "pending"
    case "in_progress":
    case "verified":
    case "awaiting_approval":
    case "committing":
      return "in_progress"
    case "applied":
      return "applied"
    case "conflict":
    case "failed":
    case "cancelled":
      return "failed"
  }
}

export const ReasonClass = v.picklist(["validation", "apply", "guard", "ttl", "attempts", "infra"])
export type ReasonClass = v.InferOutput<typeof ReasonClass>

/** Number of entries in each state, cumulative, as every audit row carries it. */
export type StateCounts = Readonly<Record<EntryState, number>>

export const NO_COUNTS: StateCounts = Object.fromEntries(STATES.map((state) => [state, 0])) as Record<
  EntryState,
  number
>

/** Compact wire form of the counts: integers in the order of `STATES`. */
export const encodeCounts = (counts: StateCounts): string => {
  // With every audit row: a loop takes a third of the time of map and join.
  let text = String(counts[STATES[0]])
  for (let index = 1; index < STATES.length; index++) text += `,${counts[STATES[index]!]}`
  return text
}

export const decodeCounts = (text: string): StateCounts => {
  const numbers = text.split(",")
  const counts: Record<EntryState, number> = { ...NO_COUNTS }
  for (let index = 0; index < STATES.length; index++) counts[STATES[index]!] = Number(numbers[index] ?? 0)
  return counts
}
