import type { Database } from "bun:sqlite"
import { isLive } from "../domain/entry.ts"
import type { Presence } from "../domain/policy.ts"
import type { Millis } from "../domain/time.ts"
import { auditAppender } from "../platform/audit-append.sql.ts"
import { freezeOf } from "./freeze.ts"
import type { Lease } from "./lease.ts"
import { payloadOf } from "./lease.ts"
import {
  type ApprovalRow,
  DROP_DEAD_LETTERS,
  DROP_VERIFICATION,
  type EntryRow,
  EXPIRING,
  INSERT_APPROVAL,
  SET_EXPIRY,
  VOID_APPROVALS,
} from "./queue.sql.ts"
import { expire, openDependencies, type Verification } from "./settle.ts"
import { payloadBytes } from "./sweep.ts"
import { entriesOfTask, entryRow, move, note } from "./transition.ts"

/** A person's decision, as stored. `digest` is what it binds. */
export interface Decision {
  readonly decision: "approve" | "reject"
  readonly approver: string
  readonly note: string | null
  readonly role: string | null
  readonly digest: string
  readonly presence: Presence
  readonly attested: boolean
  readonly signature: string | null
  readonly acknowledged: readonly string[]
}

export type DecisionTarget = { readonly entryId: number } | { readonly requestId: string }

const insertDecision = (db: Database, target: DecisionTarget, decision: Decision, at: Millis): number =>
  db
    .query<{ id: number }, (string | number | null)[]>(INSERT_APPROVAL)
    .get(
      "entryId" in target ? target.entryId : null,
      "requestId" in target ? target.requestId : null,
      decision.decision,
      decision.approver,
      decision.note,
      decision.role,
      decision.digest,
      decision.presence,
      decision.attested ? 1 : 0,
      decision.signature,
      JSON.stringify(decision.acknowledged),
      at,
    )!.id

/** All of a decision, for the log: what is stored beside it can then be checked against it. */
const decisionData = (id: number, decision: Decision): object => ({
  approval: id,
  approver: decision.approver,
  digest: decision.digest,
  presence: decision.presence,
  attested: decision.attested,
  acknowledged: decision.acknowledged,
  ...(decision.note !== null && { note: decision.note }),
  ...(decision.role !== null && { role: decision.role }),
  ...(decision.signature !== null && { signature: decision.signature }),
})

/**
 * Records an approval. `satisfied` (decided by the approval rules from what is stored plus this one) moves an entry
 * that waits for it on to `verified`. `null` for a request, and when there is no such entry or it is archived (nothing is
 * stored then).
 */
export const approve = (
  db: Database,
  target: DecisionTarget,
  decision: Decision,
  satisfied: boolean,
  at: Millis,
): EntryRow | null => {
  const row = "entryId" in target ? entryRow(db, target.entryId) : null
  if ("entryId" in target && row?.archived !== null) return null
  const audit = auditAppender(db, at)
  const approvalId = insertDecision(db, target, decision, at)
  const data = decisionData(approvalId, decision)
  if ("requestId" in target) {
    audit.append({ event: "approval_recorded", actor: decision.approver, subject: target.requestId, data })
    return null
  }
  if (row!.state === "awaiting_approval" && satisfied)
    return move(db, audit, row!, "approved", { actor: decision.approver, at, data })
  return note(db, audit, row!, "approval_recorded", { actor: decision.approver, data })
}

export interface Withdrawal {
  readonly event: "cancelled" | "rejected"
  readonly actor: string
  readonly code: string
  readonly text: string
  /** Kept as a rejecting decision when a person rejected it. */
  readonly decision?: Decision
}

/** Withdraws a live entry, whoever holds it: the holder's next write loses its fence. `null` when it is too late. */
export const withdraw = (db: Database, id: number, withdrawal: Withdrawal, at: Millis): EntryRow | null => {
  const row = entryRow(db, id)
  if (!row || !["scheduled", "pending", "in_progress", "verified", "awaiting_approval"].includes(row.state))
    return null
  const audit = auditAppender(db, at)
  const { decision } = withdrawal
  const data = decision && decisionData(insertDecision(db, { entryId: id }, decision, at), decision)
  const next = move(db, audit, row, withdrawal.event, {
    actor: withdrawal.actor,
    at,
    reason: { code: withdrawal.code, text: withdrawal.text },
    ...(data && { data }),
  })
  db.query(VOID_APPROVALS).run(id, at, withdrawal.text)
  db.query(DROP_VERIFICATION).run(id)
  return next
}

/**
 * Puts a failed entry back, attempts at 0 and, when it was over, with its time to live anew. `null` when it is not
 * failed, when its payload was swept, or when a newer answer to its task is in the queue or has landed: both would
 * land.
 */
export const requeue = (
  db: Database,
  id: number,
  reason: string,
  actor: string,
  at: Millis,
): EntryRow | null => {
  const row = entryRow(db, id)
  if (row?.state !== "failed" || row.archived !== null || newerAnswer(db, row)) return null
  if (payloadBytes(db, id) === null) return null
  const audit = auditAppender(db, at)
  const expires = row.expires_at > at ? row.expires_at : at + (payloadOf(db, id)?.ttl_seconds ?? 0) * 1_000
  const next = move(db, audit, row, "requeued", {
    actor,
    at,
    attempts: 0,
    data: { why: reason, expires_at: expires },
  })
  db.query(SET_EXPIRY).run(id, expires)
  db.query(DROP_DEAD_LETTERS).run(id)
  return { ...next, expires_at: expires }
}

/** A live answer to the same task, or one that landed after this entry was made. */
export const newerAnswer = (db: Database, row: EntryRow): EntryRow | null =>
  entriesOfTask(db, row.task_id).find(
    (other) =>
      other.id !== row.id && (isLive(other.state) || (other.state === "applied" && other.id > row.id)),
  ) ?? null

/** Sends entries proven on an older base back to be proven again. */
export const baseMoved = (
  db: Database,
  ids: readonly number[],
  actor: string,
  detail: object,
  at: Millis,
): void => {
  const audit = auditAppender(db, at)
  for (const id of ids) {
    const row = entryRow(db, id)
    if (row?.state !== "verified" && row?.state !== "awaiting_approval") continue
    move(db, audit, row, "base_moved", {
      actor,
      at,
      data: detail,
      // The change is not to blame: being proven again costs it nothing.
      attempts: Math.max(0, row.attempts - 1),
      reason: { code: "base_moved", text: "the branch moved: it is verified again on the new base" },
    })
  }
}

/**
 * Claims a verified entry for landing. `null` when somebody else was faster, its time to live is over, or something it
 * depends on is neither landing nor landed, it is held, or the queue is frozen.
 */
export const claimProven = (
  db: Database,
  id: number,
  worker: string,
  until: Millis,
  at: Millis,
): Lease | null => {
  const row = entryRow(db, id)
  if (row?.state !== "verified" || row.held || row.expires_at <= at || openDependencies(db, row) > 0)
    return null
  if (freezeOf(db)) return null
  const audit = auditAppender(db, at)
  const cast = payloadOf(db, id)
  if (cast?.checksum !== row.checksum) {
    // The next lease finds it and makes it a dead letter.
    move(db, audit, row, "base_moved", {
      actor: worker,
      at,
      reason: { code: "payload_unreadable", text: "the stored payload is not the one that was accepted" },
    })
    return null
  }
  const token = row.lease_token + 1
  const entry = move(db, audit, row, "committing", {
    actor: worker,
    at,
    data: { token },
    lease: { owner: worker, until, token },
  })
  return { entry, token, worker, until, attempt: entry.attempts, cast }
}

/** Moves expired entries that nobody holds to dead letters, at most `limit`. */
export const expireDue = (db: Database, at: Millis, limit: number): number => {
  const rows = db.query<EntryRow, [number, number]>(EXPIRING).all(at, limit)
  if (rows.length === 0) return 0
  const audit = auditAppender(db, at)
  for (const row of rows) expire(db, audit, row, at, "watchdog")
  return rows.length
}

export type { ApprovalRow, Verification }
