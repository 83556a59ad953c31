import type { Database } from "bun:sqlite"
import type { ReasonClass } from "../domain/entry.ts"
import { sha256Hex } from "../domain/hash.ts"
import type { FailureReport, Receipt } from "../domain/receipt.ts"
import type { Millis } from "../domain/time.ts"
import { counted } from "../domain/words.ts"
import { type AuditAppender, auditAppender } from "../platform/audit-append.sql.ts"
import { recountBlockers } from "./dependencies.ts"
import { freezeOf, freezeText } from "./freeze.ts"
import type { Lease } from "./lease.ts"
import {
  DROP_VERIFICATION,
  type EntryRow,
  INSERT_DEAD_LETTER,
  OPEN_DEPENDENCIES,
  PUT_RECEIPT,
  PUT_VERIFICATION,
} from "./queue.sql.ts"
import { entryRow, type MoveOptions, move, moveThrough, noteLost } from "./transition.ts"

/** What was proven: the trees, what an approval must bind, and the evidence as JSON for the receipt. */
export interface Verification {
  readonly baseCommit: string | null
  readonly baseTree: string | null
  readonly resultTree: string
  readonly approvalDigest: string
  /** How many guards were green on it; 0 when none applied. */
  readonly guards: number
  readonly body: object
}

/** What became of a leased entry. */
export type Settlement =
  | { readonly to: "committing"; readonly lease: Lease; readonly verification: Verification }
  | {
      readonly to: "awaiting_approval"
      readonly lease: Lease
      readonly verification: Verification
      readonly reason: { readonly code: string; readonly text: string }
    }
  | {
      readonly to: "verified"
      readonly lease: Lease
      readonly verification: Verification
      readonly reason: { readonly code: string; readonly text: string }
    }
  | { readonly to: "applied"; readonly lease: Lease; readonly receipt: (auditSeq: number) => Receipt }
  | {
      readonly to: "undone"
      readonly lease: Lease
      readonly reason: { readonly code: string; readonly text: string }
    }
  | {
      /**
       * Tried again at `runAt`; `charged: false` gives the attempt back (the change is not to blame). A charged one
       * whose attempts are spent becomes a dead letter instead.
       */
      readonly to: "scheduled"
      readonly lease: Lease
      readonly runAt: Millis
      readonly charged: boolean
      /** Overrules the attempts it was queued with. */
      readonly maxAttempts?: number
      readonly reason: { readonly code: string; readonly text: string }
    }
  | {
      readonly to: "pending"
      readonly lease: Lease
      readonly reason: { readonly code: string; readonly text: string }
    }
  | { readonly to: "conflict"; readonly lease: Lease; readonly report: FailureReport }
  | {
      readonly to: "failed"
      readonly lease: Lease
      readonly reasonClass: ReasonClass
      readonly report: FailureReport
    }

export interface Settled {
  /**
   * Entries whose outcome was not written: the lease is no longer held; or the entry may not start landing, because its
   * time to live is over (it failed), or because it is held, the queue is frozen or a dependency is not landing with
   * it (it waits again). None of them may land.
   */
  readonly lost: readonly number[]
}

/** Writes outcomes behind their fences, in one transaction and in order. A lost lease loses only its own write. */
export const settleAll = (
  db: Database,
  settlements: readonly Settlement[],
  at: Millis,
  audit: AuditAppender = auditAppender(db, at),
): Settled => {
  const lost: number[] = []
  // An entry is read once, however many outcomes follow each other.
  const rows = new Map<number, EntryRow>()
  for (const settlement of settlements) {
    const { lease } = settlement
    const row = rows.get(lease.entry.id) ?? entryRow(db, lease.entry.id)
    rows.delete(lease.entry.id)
    const from = settlement.to === "applied" || settlement.to === "undone" ? "committing" : "in_progress"
    const held = row !== null && row.lease_token === lease.token && row.lease_owner === lease.worker
    if (!held || !(row.state === from || (row.state === "committing" && settlement.to === "conflict"))) {
      noteLost(db, audit, lease, settlement.to)
      lost.push(lease.entry.id)
      continue
    }
    if (settlement.to === "committing" && mayNotLand(db, audit, row, at)) {
      lost.push(row.id)
      continue
    }
    const next = settleOne(db, audit, row, settlement, at)
    if (next) rows.set(next.id, next)
  }
  return { lost }
}

/** The last look before a landing starts. True when it must not; the entry has then been moved on. */
const mayNotLand = (db: Database, audit: AuditAppender, row: EntryRow, at: Millis): boolean => {
  const actor = row.lease_owner ?? ""
  if (row.expires_at <= at) {
    expire(db, audit, row, at, actor)
    return true
  }
  const reason = standingInTheWay(db, row)
  if (reason === null) return false
  move(db, audit, row, "given_back", { actor, at, reason, attempts: row.attempts - 1 })
  return true
}

const standingInTheWay = (
  db: Database,
  row: EntryRow,
): { readonly code: string; readonly text: string } | null => {
  if (row.held) return { code: "held", text: "a person holds it" }
  const freeze = freezeOf(db)
  if (freeze) return { code: "frozen", text: freezeText(freeze) }
  return openDependencies(db, row) === 0
    ? null
    : { code: "dependency_open", text: "something it depends on is not landing with it" }
}

/** Dependencies that are neither landing nor landed. */
export const openDependencies = (db: Database, row: EntryRow): number =>
  row.blockers === 0 ? 0 : db.query<{ n: number }, [number]>(OPEN_DEPENDENCIES).get(row.id)!.n

/** Gives the entry as it is now where another outcome may follow. */
const settleOne = (
  db: Database,
  audit: AuditAppender,
  row: EntryRow,
  settlement: Settlement,
  at: Millis,
): EntryRow | null => {
  const actor = settlement.lease.worker
  switch (settlement.to) {
    case "committing":
    case "awaiting_approval":
    case "verified": {
      const { verification } = settlement
      const verified = {
        actor,
        at,
        data: {
          result_tree: verification.resultTree,
          approval_digest: verification.approvalDigest,
          guards: verification.guards,
        },
      }
      const next = moveThrough(db, audit, row, [
        ["verified", settlement.to === "verified" ? { ...verified, reason: settlement.reason } : verified],
        ...onward(row, settlement, at),
      ])
      db.query(PUT_VERIFICATION).run(
        row.id,
        verification.baseCommit,
        verification.baseTree,
        verification.resultTree,
        verification.approvalDigest,
        JSON.stringify(verification.body),
        at,
      )
      return next
    }
    case "applied": {
      const receipt = settlement.receipt(audit.nextSeq())
      const body = JSON.stringify(receipt)
      move(db, audit, row, "applied", {
        actor,
        at,
        data: {
          commit: receipt.commit,
          result_tree: receipt.result_tree,
          flags: receipt.flags,
          receipt_sha256: sha256Hex(body),
        },
      })
      db.query(PUT_RECEIPT).run(row.id, receipt.commit, at, body)
      db.query(DROP_VERIFICATION).run(row.id)
      recountBlockers(db, row.id)
      return null
    }
    case "undone":
      move(db, audit, row, "undone", { actor, at, reason: settlement.reason })
      return null
    case "scheduled":
      if (settlement.charged && row.attempts >= (settlement.maxAttempts ?? row.max_attempts)) {
        deadLetter(db, audit, row, at, actor, "attempts", {
          schema_version: 1,
          code: "attempts_spent",
          message: `tried ${counted(row.attempts, "time")}; the last time: ${settlement.reason.text}`,
          where: settlement.reason.code,
          hint: `hyperion history ${row.id} lists every attempt; hyperion requeue ${row.id} --reason TEXT tries again`,
          evidence: [],
        })
        return null
      }
      move(db, audit, row, "retry_scheduled", {
        actor,
        at,
        runAt: settlement.runAt,
        reason: settlement.reason,
        attempts: settlement.charged ? row.attempts : row.attempts - 1,
      })
      return null
    case "pending":
      move(db, audit, row, "given_back", { actor, at, reason: settlement.reason, attempts: row.attempts - 1 })
      return null
    case "conflict":
      move(db, audit, row, row.state === "committing" ? "foreign_edit" : "conflicted", {
        actor,
        at,
        data: { report: settlement.report },
        reason: { code: settlement.report.code, text: settlement.report.message },
      })
      return null
    case "failed":
      deadLetter(db, audit, row, at, actor, settlement.reasonClass, settlement.report)
      return null
  }
}

/** Where a proven entry goes in the same write. */
const onward = (
  row: EntryRow,
  settlement: Extract<Settlement, { readonly verification: Verification }>,
  at: Millis,
): readonly (readonly [string, MoveOptions])[] => {
  const actor = settlement.lease.worker
  switch (settlement.to) {
    case "verified":
      return []
    case "awaiting_approval":
      return [["approval_missing", { actor, at, reason: settlement.reason }]]
    case "committing":
      // As last renewed, which may be later than when it was leased.
      return [
        [
          "committing",
          { actor, at, lease: { owner: actor, until: row.leased_until ?? at, token: row.lease_token } },
        ],
      ]
  }
}

/** Fails an entry and keeps why: the state, the letter and the audit row together. */
export const deadLetter = (
  db: Database,
  audit: AuditAppender,
  row: EntryRow,
  at: Millis,
  actor: string,
  reasonClass: ReasonClass,
  report: FailureReport,
): void => {
  move(db, audit, row, row.state === "in_progress" ? "failed" : "expired", {
    actor,
    at,
    data: { reason_class: reasonClass },
    reason: { code: report.code, text: report.message },
  })
  db.query(INSERT_DEAD_LETTER).run(row.id, reasonClass, report.message, JSON.stringify(report), at)
}

/** The cast's time to live ended before it could land. */
export const expire = (db: Database, audit: AuditAppender, row: EntryRow, at: Millis, actor: string): void =>
  deadLetter(db, audit, row, at, actor, "ttl", {
    schema_version: 1,
    code: "ttl_expired",
    message: "its time to live ended before it could land",
    where: `state ${row.state}`,
    hint: "enqueue the change request again; queue.default_ttl_seconds sets how long a cast lives",
    evidence: [],
  })
