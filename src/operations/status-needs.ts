import * as Effect from "effect/Effect"
import { judgeApprovals } from "../approval/rules.ts"
import { storedApprovals } from "../approval/stored.ts"
import type { EntryState } from "../domain/entry.ts"
import type { Policy } from "../domain/policy.ts"
import { toTimestamp } from "../domain/time.ts"
import { parseVerificationBody } from "../domain/verification.ts"
import { questionsOf } from "../engineer/questions.ts"
import { RequestStore } from "../intake/RequestStore.ts"
import type { Attention } from "../queue/attention.ts"
import { holdOf } from "../queue/hold.ts"
import { QueueService } from "../queue/QueueService.ts"
import type { EntryRow } from "../queue/queue.sql.ts"
import { approvalsOf, verificationOf } from "../queue/read.ts"

interface Need {
  readonly entry_id: number
  readonly task_id: string
  readonly message: string
  /** The exact command that comes next. */
  readonly next: string
}

/** What waits for a person, by what they have to do, the most urgent kind first. `totals` counts what lists leave out. */
export interface Needs {
  readonly abandoned: readonly (Need & {
    readonly state: EntryState
    readonly worker: string
    readonly leased_until: string
    /** The worker's process has ended; else only its lease has. */
    readonly ended: boolean
  })[]
  readonly blocked: readonly (Need & { readonly code: string })[]
  readonly approvals: readonly (Need & {
    readonly agent: string
    readonly paths: number
    readonly digest: string
    readonly since: string
  })[]
  readonly clarifications: readonly {
    readonly request_id: string
    readonly summary: string
    readonly questions: readonly string[]
    readonly message: string
    readonly next: string
  }[]
  readonly conflicts: readonly (Need & { readonly agent: string })[]
  readonly dead_letters: readonly (Need & { readonly agent: string; readonly reason_class: string })[]
  readonly held: readonly (Need & { readonly by: string; readonly since: string })[]
  readonly totals: Readonly<Record<NeedKind, number>>
}

export type NeedKind = Exclude<keyof Needs, "totals">

export const needsOf = Effect.fn("operations.needsOf")(function* (
  found: Attention,
  policy: Policy | null,
  ended: (owner: string) => boolean,
  limit: number,
) {
  const queue = yield* QueueService
  const waiting = yield* (yield* RequestStore).inState("needs_clarification", limit)
  const { abandoned, blocked, awaiting, conflicts, deadLetters, held } = found
  return {
    abandoned: abandoned.rows.map((row) => abandonedNeed(row, ended(row.lease_owner ?? ""))),
    blocked: blocked.rows.map((row) => ({
      entry_id: row.id,
      task_id: row.task_id,
      code: row.reason_code!,
      message: row.reason ?? row.reason_code!,
      next: `hyperion why ${row.id}`,
    })),
    approvals: yield* queue.read((db) => awaiting.rows.map((row) => approvalNeed(db, row, policy))),
    clarifications: waiting.map(({ request }) => {
      const questions = questionsOf(request).map(({ question }) => question)
      return {
        request_id: request.request_id,
        summary: request.summary,
        questions,
        message: questions.join(" ") || request.summary,
        next: "hyperion request FILE",
      }
    }),
    conflicts: conflicts.rows.map((row) => ({
      entry_id: row.id,
      task_id: row.task_id,
      agent: row.agent,
      message: row.reason ?? "it does not fit the current content",
      next: `hyperion why ${row.id}`,
    })),
    dead_letters: deadLetters.rows.map((row) => ({
      entry_id: row.entry_id,
      task_id: row.task_id,
      agent: row.agent,
      reason_class: row.reason_class,
      message: row.error,
      next: `hyperion why ${row.entry_id}`,
    })),
    held: yield* queue.read((db) =>
      held.rows.map((row) => {
        const hold = holdOf(db, row)!
        return {
          entry_id: row.id,
          task_id: row.task_id,
          by: hold.actor,
          since: toTimestamp(hold.at),
          message: `held by ${hold.actor}: ${hold.reason}`,
          next: `hyperion release ${row.id}`,
        }
      }),
    ),
    totals: {
      abandoned: abandoned.total,
      blocked: blocked.total,
      approvals: awaiting.total,
      clarifications: waiting.length,
      conflicts: conflicts.total,
      dead_letters: deadLetters.total,
      held: held.total,
    },
  } satisfies Needs
})

const abandonedNeed = (row: EntryRow, ended: boolean): Needs["abandoned"][number] => {
  const worker = row.lease_owner ?? ""
  const until = row.leased_until ?? row.updated_at
  const lost = ended ? `${worker} has ended` : `the lease of ${worker} has run out`
  const then =
    row.state === "committing"
      ? "the next worker ends or undoes its landing"
      : "the next worker takes it over"
  return {
    entry_id: row.id,
    task_id: row.task_id,
    state: row.state,
    worker,
    leased_until: toTimestamp(until),
    ended,
    message: `${lost}: ${then}`,
    next: "hyperion worker --drain",
  }
}

type Db = Parameters<typeof verificationOf>[0]

const approvalNeed = (db: Db, row: EntryRow, policy: Policy | null): Needs["approvals"][number] => {
  const proof = verificationOf(db, row.id)
  const body = proof === null ? null : parseVerificationBody(proof.body)
  const paths = body?.ok ? body.value.effects.map(({ path }) => path) : []
  const missing =
    proof !== null && body?.ok && policy !== null
      ? judgeApprovals({
          policy,
          agent: row.agent,
          paths,
          sensitive: body.value.sensitive,
          digest: proof.approval_digest,
          checksum: row.checksum,
          exact: body.value.exact,
          approvals: storedApprovals(approvalsOf(db, { entryId: row.id })),
        }).missing
      : (row.reason ?? "an approval is missing")
  return {
    entry_id: row.id,
    task_id: row.task_id,
    agent: row.agent,
    paths: paths.length,
    digest: proof?.approval_digest ?? "",
    since: toTimestamp(row.updated_at),
    message: missing === "" ? "enough approvals by the policy as it is now" : missing,
    next: `hyperion approve ${row.id}`,
  }
}
