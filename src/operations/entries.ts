import * as Effect from "effect/Effect"
import type { CastPayload } from "../domain/cast.ts"
import type { EntryState } from "../domain/entry.ts"
import type { FailureReport, Receipt } from "../domain/receipt.ts"
import { type Millis, toTimestamp } from "../domain/time.ts"
import type { AuditRow } from "../platform/audit.sql.ts"
import { type Hold, holdOf } from "../queue/hold.ts"
import { payloadOf } from "../queue/lease.ts"
import { QueueService } from "../queue/QueueService.ts"
import type { DeadLetterFilter, EntryRow } from "../queue/queue.sql.ts"
import {
  approvalsOf,
  conflictReport,
  deadLetters,
  dependenciesOf,
  failureReport,
  historyOf,
  type ListFilter,
  listEntries,
  receiptOf,
  recentAudit,
  resolveId,
  verificationOf,
} from "../queue/read.ts"
import { entryRow } from "../queue/transition.ts"
import { type ArchivePlace, archiveOf, refuseArchived } from "./archived.ts"
import { UnknownId } from "./errors.ts"

/** An entry as listings and `--format json` show it. Times are RFC 3339. */
export interface EntryView {
  readonly id: number
  readonly state: EntryState
  readonly task_id: string
  readonly request_id: string
  readonly cast_id: string
  readonly agent: string
  readonly intent: string | null
  readonly paths: readonly string[]
  readonly priority: number
  readonly attempts: number
  readonly max_attempts: number
  readonly created_at: string
  readonly updated_at: string
  readonly expires_at: string
  readonly reason_code: string | null
  readonly reason: string | null
  readonly blocked_by: readonly number[]
  readonly supersedes: number | null
  /** Who holds it, if anybody. */
  readonly held: { readonly by: string; readonly reason: string; readonly since: string } | null
  readonly commit: string | null
  /** Only of an archived entry: its change and its proofs are not here. */
  readonly archived?: true
}

export const viewOf = (
  row: EntryRow,
  cast: CastPayload | null,
  receipt: Receipt | null,
  blockedBy: readonly number[],
  hold: Hold | null,
): EntryView => ({
  id: row.id,
  state: row.state,
  task_id: row.task_id,
  request_id: row.request_id,
  cast_id: row.cast_id,
  agent: row.agent,
  // A row whose payload cannot be read is still listed: one bad row must not hide the others.
  // Its first line: trailers and what else follows are the commit's.
  intent: cast?.change_request.metadata.intent.split("\n", 1)[0] ?? null,
  paths: [...new Set(cast?.change_request.changes.map((change) => change.path) ?? [])],
  priority: row.priority,
  attempts: row.attempts,
  max_attempts: row.max_attempts,
  created_at: toTimestamp(row.created_at),
  updated_at: toTimestamp(row.updated_at),
  expires_at: toTimestamp(row.expires_at),
  reason_code: row.reason_code,
  reason: row.reason,
  blocked_by: blockedBy,
  supersedes: row.supersedes,
  held: hold && { by: hold.actor, reason: hold.reason, since: toTimestamp(hold.at) },
  commit: receipt?.commit ?? row.landed_commit,
  ...(row.archived !== null && { archived: true as const }),
})

export interface EntryPage {
  readonly entries: readonly EntryView[]
  readonly nextCursor: string | null
}

/** Newest first; `nextCursor` continues after the last one. */
export const listPage = Effect.fn("operations.list")(function* (filter: ListFilter) {
  const queue = yield* QueueService
  return yield* queue.read((db): EntryPage => {
    const rows = listEntries(db, { ...filter, limit: filter.limit + 1 })
    const page = rows.slice(0, filter.limit)
    const entries = page.map((row) => {
      const blockers =
        row.blockers === 0 ? [] : dependenciesOf(db, row.id).filter((on) => on.state !== "applied")
      return viewOf(
        row,
        payloadOf(db, row.id),
        row.state === "applied" ? receiptOf(db, row.id) : null,
        blockers.map((on) => on.id),
        holdOf(db, row),
      )
    })
    return { entries, nextCursor: rows.length > page.length ? String(page.at(-1)!.id) : null }
  })
})

/** The entries any id speaks of; fails with `UnknownId` when there are none. */
export const findEntries = Effect.fn("operations.findEntries")(function* (id: string) {
  const queue = yield* QueueService
  const rows = yield* queue.read((db) => resolveId(db, id).flatMap((found) => entryRow(db, found) ?? []))
  if (rows.length === 0) return yield* new UnknownId({ id })
  return rows
})

export interface ApprovalView {
  readonly approver: string
  readonly decision: "approve" | "reject"
  readonly note: string | null
  readonly digest: string
  readonly presence: string
  readonly attested: boolean
  readonly acknowledged: readonly string[]
  readonly at: string
  readonly void: string | null
}

/** Everything the queue knows about one entry. */
export interface EntryDetail {
  readonly entry: EntryView
  readonly cast: CastPayload | null
  readonly verification: {
    readonly base_commit: string | null
    readonly result_tree: string
    readonly approval_digest: string
    readonly evidence: unknown
  } | null
  readonly approvals: readonly ApprovalView[]
  readonly failure: FailureReport | null
  readonly receipt: Receipt | null
  /** Only of an archived entry: where the rest is. */
  readonly archive?: ArchivePlace
}

export const showEntry = Effect.fn("operations.show")(function* (id: string) {
  const [row] = yield* findEntries(id)
  const queue = yield* QueueService
  return yield* queue.read((db): EntryDetail => {
    const entry = row!
    const cast = payloadOf(db, entry.id)
    const receipt = receiptOf(db, entry.id)
    const verification = verificationOf(db, entry.id)
    const place = archiveOf(db, entry)
    return {
      entry: viewOf(
        entry,
        cast,
        receipt,
        dependenciesOf(db, entry.id)
          .filter((on) => on.state !== "applied")
          .map((on) => on.id),
        holdOf(db, entry),
      ),
      cast,
      verification: verification && {
        base_commit: verification.base_commit,
        result_tree: verification.result_tree,
        approval_digest: verification.approval_digest,
        evidence: JSON.parse(verification.body),
      },
      approvals: approvalsOf(db, { entryId: entry.id }).map((approval) => ({
        approver: approval.approver,
        decision: approval.decision,
        note: approval.note,
        digest: approval.digest,
        presence: approval.presence,
        attested: approval.attested === 1,
        acknowledged: JSON.parse(approval.acknowledged),
        at: toTimestamp(approval.created_at),
        void: approval.void_reason,
      })),
      failure: failureReport(db, entry.id) ?? conflictReport(db, entry),
      receipt,
      ...(place !== null && { archive: place }),
    }
  })
})

/** An audit row as shown. */
export interface AuditView {
  readonly seq: number
  readonly at: string
  readonly event: string
  readonly entry_id: number | null
  readonly subject: string | null
  readonly actor: string
  readonly data: unknown
}

export const auditView = (row: AuditRow): AuditView => ({
  seq: row.seq,
  at: toTimestamp(row.at),
  event: row.event,
  entry_id: row.entry_id,
  subject: row.subject,
  actor: row.actor,
  data: JSON.parse(row.data),
})

/** Audit rows of the entries an id speaks of (oldest first), or the newest ones of the whole log. */
export const history = Effect.fn("operations.history")(function* (options: {
  readonly id?: string | undefined
  readonly since?: Millis | undefined
  readonly limit: number
}) {
  const queue = yield* QueueService
  if (options.id === undefined) {
    const { since, limit } = options
    return yield* queue.read((db) =>
      recentAudit(db, { limit, ...(since !== undefined && { since }) })
        .reverse()
        .map(auditView),
    )
  }
  const rows = yield* findEntries(options.id)
  if (rows.every((row) => row.archived !== null)) yield* refuseArchived(rows[0]!)
  return yield* queue.read((db) =>
    rows
      .flatMap((row) => historyOf(db, row))
      .filter((row) => options.since === undefined || row.at >= options.since)
      .slice(-options.limit)
      .map(auditView),
  )
})

export const listDeadLetters = Effect.fn("operations.listDeadLetters")(function* (filter: DeadLetterFilter) {
  const queue = yield* QueueService
  const rows = yield* queue.read((db) => deadLetters(db, { ...filter, limit: filter.limit + 1 }))
  const page = rows.slice(0, filter.limit)
  const letters = page.map((row) => ({
    id: row.id,
    queue_id: row.entry_id,
    task_id: row.task_id,
    agent: row.agent,
    reason_class: row.reason_class,
    error: row.error,
    // Epoch seconds, as in the original's record.
    failed_at: Math.floor(row.failed_at / 1000),
  }))
  return { letters, nextCursor: rows.length > page.length ? String(page.at(-1)!.id) : null }
})
