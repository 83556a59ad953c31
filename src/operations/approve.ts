import * as Effect from "effect/Effect"
import * as v from "valibot"
import { CONFIRMATION_DIGITS, confirms } from "../approval/binding.ts"
import { ApprovalOutdated, ApprovalRefused } from "../approval/errors.ts"
import { approvalDemand, judgeApprovals, type StoredApproval } from "../approval/rules.ts"
import { storedApprovals } from "../approval/stored.ts"
import { type EntryState, TERMINAL } from "../domain/entry.ts"
import { AgentName } from "../domain/ids.ts"
import type { Policy, Presence } from "../domain/policy.ts"
import { RequestStore } from "../intake/RequestStore.ts"
import { HumanPresence, type PresenceReport } from "../platform/HumanPresence.ts"
import { Operator } from "../platform/Operator.ts"
import type { Text } from "../platform/Terminal.ts"
import type { BoundApproval } from "../queue/approve-all.ts"
import type { Decision } from "../queue/decide.ts"
import { QueueService } from "../queue/QueueService.ts"
import type { EntryRow } from "../queue/queue.sql.ts"
import { approvalsOf } from "../queue/read.ts"
import { currentBase } from "../worker/base.ts"
import { tellDecisions } from "./decision-spans.ts"
import { findEntries } from "./entries.ts"
import { WrongState } from "./errors.ts"
import { refuseAgent } from "./presence.ts"
import { type ApprovalReview, isMaker, type Reviewed, reviewEntry, reviewOf } from "./review.ts"

export interface ApproveOptions {
  readonly ids: readonly string[]
  /** Approve under this name instead of the operator's. */
  readonly as: string | undefined
  readonly note: string | undefined
  /** Sensitive paths the person names. */
  readonly acknowledge: readonly string[]
  /** Do not ask. Only where the policy says `approvals.unattended`. */
  readonly yes: boolean
}

/** How the surface shows what is to be approved. */
export interface ReviewScreen {
  readonly render: (review: ApprovalReview) => Text
  /** Whether the terminal that is asked on has colour. */
  readonly color: boolean
  /** Says something when nobody is asked. */
  readonly note: (text: Text) => void
}

export interface Approved {
  readonly entry_id: number
  readonly task_id: string
  readonly state: EntryState
  /** `intent` becomes an approval when the guards are green and the change applies exactly as written. */
  readonly recorded: "approval" | "intent"
  readonly digest: string
  /** What is still missing; empty when nothing is. */
  readonly missing: string
}

export interface ApproveReport {
  readonly approver: string
  readonly presence: Presence
  readonly approved: readonly Approved[]
  readonly skipped: ApprovalReview["skipped"]
}

/**
 * Takes a person's approval of entries, requests (all their entries) and batches: shows what would land, has the first
 * digits of its digest typed and records all of it or nothing. Fails with `ApprovalRefused`, `ApprovalOutdated`,
 * `UnknownId` or `WrongState`; nothing is recorded then.
 */
export const approve = Effect.fn("operations.approve")(function* (
  options: ApproveOptions,
  screen: ReviewScreen,
) {
  const human = yield* HumanPresence
  const queue = yield* QueueService
  const seen = yield* human.look()
  yield* refuseAgent(seen)
  const approver = yield* nameOf(options.as ?? (yield* Operator).name)
  const { policy } = (yield* currentBase()).policy
  const { rows, skipped } = yield* approvable(options.ids)
  const reviewed = yield* Effect.forEach(rows, (row) => reviewEntry(row, policy))
  yield* refuseSelf(reviewed, approver)
  yield* refuseStray(reviewed, options.acknowledge)
  const presence = yield* presenceOf(reviewed, policy, seen, options.yes)

  const review = reviewOf(reviewed, skipped)
  if (presence === "none") screen.note(screen.render(review))
  else {
    const question = `Type the first ${CONFIRMATION_DIGITS} digits of ${review.entries.length === 1 ? "its digest" : "the digest of all"} to approve as ${approver}: `
    const typed = yield* human.ask([screen.render(review), "\n", question].flat(), screen)
    if (!confirms(typed, review.digest))
      return yield* new ApprovalRefused({
        reason: "wrong_digits",
        detail: `these are not the first ${CONFIRMATION_DIGITS} digits of the digest: nothing was approved`,
        hint: "read what is shown, then run the same command again",
      })
  }

  const recorded = yield* queue.approveAll(
    reviewed.map((one) => boundApproval(one, decisionOf(one, approver, presence, options))),
  )
  if (!recorded.ok) return yield* new ApprovalOutdated({ entries: recorded.error })
  const approved = yield* queue.read((db) =>
    reviewed.map(({ view, question }, index): Approved => {
      const approvals = storedApprovals(approvalsOf(db, { entryId: view.entry_id }))
      return {
        entry_id: view.entry_id,
        task_id: view.task_id,
        state: recorded.value[index]!.state,
        recorded: view.binds === "proof" ? "approval" : "intent",
        digest: view.digest,
        missing: judgeApprovals({ ...question, approvals }).missing,
      }
    }),
  )
  yield* tellDecisions(rows.map((row, index) => ({ row, presence, binds: approved[index]!.recorded })))
  return { approver, presence, approved, skipped } satisfies ApproveReport
})

const nameOf = (name: string): Effect.Effect<string, ApprovalRefused> => {
  const parsed = v.safeParse(AgentName, name.trim())
  return parsed.success
    ? Effect.succeed(parsed.output)
    : new ApprovalRefused({
        reason: "bad_name",
        detail: `the approver's name ${parsed.issues[0].message}`,
        hint: "--as NAME with a name of one line",
      })
}

const MOVED_ON: ReadonlySet<EntryState> = new Set([...TERMINAL, "committing"])

/** The entries that can still be approved; one that is named alone must be. */
const approvable = Effect.fn("operations.approvable")(function* (ids: readonly string[]) {
  const open = new Map<number, EntryRow>()
  const over = new Map<number, EntryRow>()
  for (const id of ids) {
    const rows = yield* entriesOf(id)
    const [first] = rows
    if (rows.every((row) => MOVED_ON.has(row.state)))
      return yield* new WrongState({
        what: rows.length === 1 ? `entry ${first!.id}` : `every entry of ${id}`,
        state: rows.length === 1 ? first!.state : "decided",
        advice: `there is nothing left to approve; hyperion why ${first!.id}`,
      })
    for (const row of rows) (MOVED_ON.has(row.state) ? over : open).set(row.id, row)
  }
  const skipped = [...over.values()].map((row) => ({ entry_id: row.id, state: row.state }))
  return { rows: [...open.values()].sort((a, b) => a.id - b.id), skipped }
})

/** A request that has no entries yet is known, and says so. */
const entriesOf = (id: string) =>
  findEntries(id).pipe(
    Effect.catchTag("UnknownId", (unknown) =>
      Effect.gen(function* () {
        const request = yield* (yield* RequestStore).get(id)
        if (request === null) return yield* unknown
        return yield* new WrongState({
          what: `request ${id}`,
          state: `${request.state.replaceAll("_", " ")}: it has no entries to approve yet`,
          advice: "hyperion request FILE asks agents for its changes",
        })
      }),
    ),
  )

const refuseSelf = (
  reviewed: readonly Reviewed[],
  approver: string,
): Effect.Effect<void, ApprovalRefused> => {
  const own = reviewed.find((one) => isMaker(one, approver))
  return own === undefined
    ? Effect.void
    : new ApprovalRefused({
        reason: "self_approval",
        detail: `${approver} made entry ${own.view.entry_id}, and nobody approves their own change`,
        hint: "somebody else approves it; --as NAME where your name is not the agent's",
      })
}

const refuseStray = (
  reviewed: readonly Reviewed[],
  acknowledge: readonly string[],
): Effect.Effect<void, ApprovalRefused> => {
  const sensitive = new Set(reviewed.flatMap(({ view }) => view.sensitive))
  const stray = acknowledge.find((path) => !sensitive.has(path))
  return stray === undefined
    ? Effect.void
    : new ApprovalRefused({
        reason: "not_sensitive",
        detail: `${JSON.stringify(stray)} is not a sensitive path of what is to be approved`,
        hint:
          sensitive.size === 0
            ? "leave --acknowledge out: there are none"
            : `name these: ${[...sensitive].map((path) => `--acknowledge ${path}`).join(" ")}`,
      })
}

/** How this approval is given, or why it cannot be. */
const presenceOf = (
  reviewed: readonly Reviewed[],
  policy: Policy,
  seen: PresenceReport,
  yes: boolean,
): Effect.Effect<"tty" | "none", ApprovalRefused> => {
  const signed = reviewed.find(
    ({ question }) => approvalDemand(policy, question.paths, question.sensitive).presence === "signature",
  )
  if (signed !== undefined)
    return new ApprovalRefused({
      reason: "signature_needed",
      detail: `the policy asks for signed approvals of entry ${signed.view.entry_id}, and signatures come in a later version`,
      hint: "until then set approvals.presence (or the tier's) to tty in hyperion.json",
    })
  const { unattended } = policy.approvals
  if (!seen.terminal && !unattended)
    return new ApprovalRefused({
      reason: "no_terminal",
      detail: "an approval is given at a terminal, and stdin and stderr are none",
      hint: "a person runs the same command in a terminal of their own",
    })
  if (yes && !unattended)
    return new ApprovalRefused({
      reason: "yes_needs_unattended",
      detail: "--yes approves without anybody looking, and the policy does not allow that",
      hint: "leave --yes out and type the digits",
    })
  return Effect.succeed(seen.terminal && !yes ? "tty" : "none")
}

const decisionOf = (
  { view }: Reviewed,
  approver: string,
  presence: Presence,
  { note, acknowledge }: ApproveOptions,
): Decision => ({
  decision: "approve",
  approver,
  note: note ?? null,
  role: null,
  digest: view.digest,
  presence,
  // Only a verified signature attests to anything.
  attested: false,
  signature: null,
  acknowledged: view.sensitive.filter((path) => acknowledge.includes(path)),
})

const boundApproval = ({ view, question }: Reviewed, decision: Decision): BoundApproval => {
  const mine: StoredApproval = { ...decision, voided: false }
  return {
    entryId: view.entry_id,
    decision,
    satisfied: (stored) =>
      judgeApprovals({ ...question, approvals: [...storedApprovals(stored), mine] }).satisfied,
  }
}
