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

/** What waits for a person, by what they have to do. */
export interface Needs {
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
    readonly next: string
  }[]
  readonly conflicts: readonly (Need & { readonly agent: string })[]
  readonly dead_letters: readonly (Need & { readonly agent: string; readonly reason_class: string })[]
  readonly held: readonly (Need & { readonly by: string; readonly since: string })[]
  readonly blocked: readonly (Need & { readonly code: string })[]
  readonly expired_leases: readonly (Need & {
    readonly state: EntryState
    readonly worker: string
    readonly expired_at: string
  })[]
}

export const needsOf = Effect.fn("operations.needsOf")(function* (
  found: Attention,
  policy: Policy | null,
  limit: number,
) {
  const queue = yield* QueueService
  const waiting = yield* (yield* RequestStore).inState("needs_clarification", limit)
  return {
    approvals: yield* queue.read((db) => found.awaiting.map((row) => approvalNeed(db, row, policy))),
    clarifications: waiting.map(({ request }) => ({
      request_id: request.request_id,
      summary: request.summary,
      questions: questionsOf(request).map(({ question }) => question),
      next: "hyperion request FILE, with the answers in it",
    })),
    conflicts: found.conflicts.map((row) => ({
      entry_id: row.id,
      task_id: row.task_id,
      agent: row.agent,
      message: row.reason ?? "it does not fit the current content",
      next: `hyperion why ${row.id}`,
    })),
    dead_letters: found.deadLetters.map((row) => ({
      entry_id: row.entry_id,
      task_id: row.task_id,
      agent: row.agent,
      reason_class: row.reason_class,
      message: row.error,
      next: `hyperion why ${row.entry_id}`,
    })),
    held: yield* queue.read((db) =>
      found.held.map((row) => {
        const hold = holdOf(db, row)
        return {
          entry_id: row.id,
          task_id: row.task_id,
          by: hold?.actor ?? "",
          since: toTimestamp(hold?.at ?? row.updated_at),
          message: `held by ${hold?.actor ?? "somebody"}: ${hold?.reason ?? "no reason is recorded"}`,
          next: `hyperion release ${row.id}`,
        }
      }),
    ),
    blocked: found.blocked.map((row) => ({
      entry_id: row.id,
      task_id: row.task_id,
      code: row.reason_code!,
      message: row.reason ?? row.reason_code!,
      next: `hyperion why ${row.id}`,
    })),
    expired_leases: found.abandoned.map((row) => ({
      entry_id: row.id,
      task_id: row.task_id,
      state: row.state,
      worker: row.lease_owner ?? "",
      expired_at: toTimestamp(row.leased_until ?? row.updated_at),
      message:
        row.state === "committing"
          ? "its landing was begun and not ended; the next worker ends or undoes it"
          : "its worker is gone; the next one takes it",
      next: "hyperion worker --drain",
    })),
  } satisfies Needs
})

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
