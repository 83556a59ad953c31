import type { Database } from "bun:sqlite"
import type { Millis } from "../domain/time.ts"
import { auditAppender } from "../platform/audit-append.sql.ts"
import { requeue } from "./decide.ts"
import { type Lease, leaseBatch } from "./lease.ts"
import type { EntryRow } from "./queue.sql.ts"
import { type Settlement, settleAll } from "./settle.ts"
import { entryRow, move, note } from "./transition.ts"

/** States out of which a person can take an entry into their own hands: nobody works on it. */
const OPEN = new Set(["scheduled", "pending", "verified", "awaiting_approval"])

/** Why a person cannot decide about this entry by hand just now; null when they can. */
export const markRefusal = (row: EntryRow, withFailed: boolean): string | null => {
  if (row.held) return `somebody holds it: hyperion release ${row.id}`
  if (OPEN.has(row.state))
    return row.blockers === 0
      ? null
      : "it waits for an entry that has not landed: hyperion cancel, or land that one"
  if (row.state === "failed" && withFailed) return null
  if (row.state === "in_progress" || row.state === "committing")
    return "a worker has it: try again in a moment"
  return "it is decided: enqueue the change again; what is there already lands without a change"
}

/**
 * Leases an entry that nobody works on for a person's decision, noting `event` and the reason first. `null` when it is
 * not as `markRefusal` asks for, or has become a dead letter on the way.
 */
export const takeByHand = (
  db: Database,
  id: number,
  options: {
    readonly event: string
    readonly actor: string
    readonly reason: string
    readonly leaseMs: number
    readonly withFailed: boolean
  },
  at: Millis,
): Lease | null => {
  const { event, actor, reason } = options
  const found = entryRow(db, id)
  if (!found || markRefusal(found, options.withFailed) !== null) return null
  const row = found.state === "failed" ? requeue(db, id, reason, actor, at) : found
  if (!row) return null
  const audit = auditAppender(db, at)
  const noted = note(db, audit, row, event, { actor, data: { why: reason } })
  if (noted.state !== "pending") {
    const promotes = noted.state === "scheduled"
    move(db, audit, noted, promotes ? "promoted" : "base_moved", {
      actor,
      at,
      reason: { code: event, text: reason },
      ...(!promotes && { attempts: Math.max(0, noted.attempts - 1) }),
    })
  }
  const { leases } = leaseBatch(db, { worker: actor, at, leaseMs: options.leaseMs, limit: 1, only: id })
  return leases[0] ?? null
}

/** Makes an entry a dead letter on a person's word. `null` as `takeByHand`. */
export const failByHand = (
  db: Database,
  id: number,
  actor: string,
  error: string,
  at: Millis,
): EntryRow | null => {
  const lease = takeByHand(
    db,
    id,
    { event: "marked_failed", actor, reason: error, leaseMs: 1, withFailed: false },
    at,
  )
  if (!lease) return null
  const settlement: Settlement = {
    to: "failed",
    lease,
    reasonClass: "apply",
    report: {
      schema_version: 1,
      code: "marked_failed",
      message: error,
      where: `by ${actor}`,
      hint: `hyperion requeue ${id} --reason TEXT tries it again`,
      evidence: [],
    },
  }
  settleAll(db, [settlement], at)
  return entryRow(db, id)
}
