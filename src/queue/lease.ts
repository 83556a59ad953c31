import type { Database } from "bun:sqlite"
import type { CastPayload } from "../domain/cast.ts"
import type { Millis } from "../domain/time.ts"
import { auditAppender } from "../platform/audit-append.sql.ts"
import {
  DEPENDENCIES_OF,
  DUE,
  type EntryRow,
  EXPIRED_LEASES,
  LEASE,
  PAYLOAD_BY_ID,
  READY,
  RENEW,
  WAITING_DEPENDENTS,
} from "./queue.sql.ts"
import { deadLetter, expire } from "./settle.ts"
import { move } from "./transition.ts"

/** The right to work on one entry until `until`, provable by `token`. */
export interface Lease {
  readonly entry: EntryRow
  readonly token: number
  readonly worker: string
  readonly until: Millis
  readonly attempt: number
  readonly cast: CastPayload
}

export interface LeaseOptions {
  readonly worker: string
  readonly at: Millis
  readonly leaseMs: number
  /** At most this many. Entries that wait only for others of the same batch come with them, after them. */
  readonly limit: number
}

export const payloadOf = (db: Database, id: number): CastPayload | null => {
  const body = db.query<{ body: string }, [number]>(PAYLOAD_BY_ID).get(id)?.body
  if (body === undefined) return null
  try {
    return JSON.parse(body)
  } catch {
    // An unreadable row must not stop the others: the caller fails this entry alone.
    return null
  }
}

/** Claims the best ready entries, attempts counted before any work. Unreadable ones go to dead letters on the way. */
export const leaseBatch = (db: Database, { worker, at, leaseMs, limit }: LeaseOptions): Lease[] => {
  const chosen = db.query<EntryRow, [number]>(READY).all(limit)
  if (chosen.length === 0) return []
  if (chosen.length < limit) followChains(db, chosen, limit)
  const audit = auditAppender(db, at)
  const leases: Lease[] = []
  for (const row of chosen) {
    const leased = db
      .query<{ lease_token: number; attempts: number }, (number | string)[]>(LEASE)
      .get(row.id, worker, at + leaseMs, at, audit.nextSeq())
    if (!leased) continue
    const seq = audit.append({
      event: "leased",
      actor: worker,
      entryId: row.id,
      entryPrevious: row.audit_seq,
      data: { token: leased.lease_token, attempt: leased.attempts, until: at + leaseMs },
      move: { from: "pending", to: "in_progress" },
    })
    const entry: EntryRow = {
      ...row,
      state: "in_progress",
      lease_owner: worker,
      lease_token: leased.lease_token,
      leased_until: at + leaseMs,
      attempts: leased.attempts,
      updated_at: at,
      reason_code: null,
      reason: null,
      audit_seq: seq,
    }
    if (row.expires_at <= at) {
      expire(db, audit, entry, at, worker)
      continue
    }
    const cast = payloadOf(db, row.id)
    if (cast === null) {
      deadLetter(db, audit, entry, at, worker, "validation", {
        schema_version: 1,
        code: "payload_unreadable",
        message: "the stored payload cannot be read",
        where: `entry ${row.id}`,
        hint: "run hyperion doctor; enqueue the change request again",
        evidence: [],
      })
      continue
    }
    leases.push({
      entry,
      token: leased.lease_token,
      worker,
      until: at + leaseMs,
      attempt: leased.attempts,
      cast,
    })
  }
  return leases
}

/** Adds entries whose every open dependency is already in the batch, so that a chain lands in one go. */
const followChains = (db: Database, chosen: EntryRow[], limit: number): void => {
  const members = new Set(chosen.map((row) => row.id))
  const dependents = db.query<EntryRow, [number]>(WAITING_DEPENDENTS)
  const dependencies = db.query<{ on_entry: number }, [number]>(DEPENDENCIES_OF)
  for (let i = 0; i < chosen.length && chosen.length < limit; i++) {
    for (const row of dependents.all(chosen[i]!.id)) {
      if (chosen.length >= limit) return
      if (members.has(row.id)) continue
      const inBatch = dependencies.all(row.id).filter(({ on_entry }) => members.has(on_entry)).length
      if (inBatch < row.blockers) continue
      members.add(row.id)
      chosen.push(row)
    }
  }
}

/** Extends leases; returns the ids whose lease is no longer held. No audit row: nothing changed but a time. */
export const renewLeases = (db: Database, leases: readonly Lease[], until: Millis): number[] => {
  const renew = db.query(RENEW)
  return leases
    .filter((lease) => renew.run(lease.entry.id, lease.token, until).changes === 0)
    .map((lease) => lease.entry.id)
}

/** Takes expired leases back, at most `limit`; an entry whose attempts are spent becomes a dead letter. */
export const reclaimExpired = (db: Database, at: Millis, limit: number): number => {
  const rows = db
    .query<EntryRow, [number, number]>(EXPIRED_LEASES)
    .all(at, limit)
    // A landing that was begun is not taken back: recovery decides from its journal.
    .filter((row) => row.state === "in_progress")
  if (rows.length === 0) return 0
  const audit = auditAppender(db, at)
  for (const row of rows) {
    if (row.attempts >= row.max_attempts)
      deadLetter(db, audit, row, at, "watchdog", "attempts", {
        schema_version: 1,
        code: "attempts_spent",
        message: `the lease ran out ${row.attempts} times`,
        where: `worker ${row.lease_owner}`,
        hint: `hyperion history ${row.id} lists every lease; hyperion requeue ${row.id} --reason TEXT tries again`,
        evidence: [],
      })
    else
      move(db, audit, row, "lease_reclaimed", {
        actor: "watchdog",
        at,
        data: { owner: row.lease_owner, token: row.lease_token, leased_until: row.leased_until },
        reason: { code: "lease_reclaimed", text: `worker ${row.lease_owner} stopped renewing its lease` },
      })
  }
  return rows.length
}

/** Makes due retries ready, in a bounded chunk. */
export const promoteDue = (db: Database, at: Millis, limit: number): number => {
  const rows = db.query<EntryRow, [number, number]>(DUE).all(at, limit)
  if (rows.length === 0) return 0
  const audit = auditAppender(db, at)
  for (const row of rows)
    move(db, audit, row, "promoted", {
      actor: "scheduler",
      at,
      ...(row.reason_code !== null && { reason: { code: row.reason_code, text: row.reason ?? "" } }),
    })
  return rows.length
}
