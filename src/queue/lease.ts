import type { Database } from "bun:sqlite"
import { type CastPayload, castChecksum } from "../domain/cast.ts"
import type { Millis } from "../domain/time.ts"
import { counted } from "../domain/words.ts"
import { type AuditAppender, auditAppender } from "../platform/audit-append.sql.ts"
import {
  DEPENDENCIES_OF,
  DUE,
  type EntryRow,
  EXPIRED_LEASES,
  LEASE,
  PAYLOAD_BY_ID,
  READY,
  READY_ONE,
  RENEW,
  WAITING_DEPENDENTS,
} from "./queue.sql.ts"
import { deadLetter, expire } from "./settle.ts"
import { move, noteLost } from "./transition.ts"

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
  /** Only this entry, and only when it is ready. */
  readonly only?: number
}

/** The stored cast; null when it cannot be read or is not what its checksum says: never to be landed. */
export const payloadOf = (db: Database, id: number): CastPayload | null => {
  const body = db.query<{ body: string }, [number]>(PAYLOAD_BY_ID).get(id)?.body
  if (body === undefined) return null
  try {
    const cast: CastPayload = JSON.parse(body)
    return castChecksum(cast) === cast.checksum ? cast : null
  } catch {
    // An unreadable row must not stop the others: the caller fails this entry alone.
    return null
  }
}

export interface LeaseBatch {
  readonly leases: readonly Lease[]
  /** Entries that went to dead letters on the way: expired, or with a payload that cannot be read. */
  readonly dropped: number
}

/**
 * Claims the best ready entries, attempts counted before any work. With `dropped` > 0 and no leases there may be more
 * to claim: one call stays bounded.
 */
export const leaseBatch = (
  db: Database,
  { worker, at, leaseMs, limit, only }: LeaseOptions,
  audit: AuditAppender = auditAppender(db, at),
): LeaseBatch => {
  const chosen =
    only === undefined
      ? db.query<EntryRow, [number]>(READY).all(limit)
      : db.query<EntryRow, [number]>(READY_ONE).all(only)
  if (chosen.length === 0) return { leases: [], dropped: 0 }
  if (only === undefined && chosen.length < limit) followChains(db, chosen, limit)
  const leases: Lease[] = []
  const left = new Set<number>()
  let dropped = 0
  for (const row of chosen) {
    // Its dependency did not come along after all.
    if (row.blockers > 0 && left.size > 0 && dependenciesOf(db, row.id).some((on) => left.has(on))) {
      left.add(row.id)
      continue
    }
    if (row.expires_at <= at) {
      expire(db, audit, row, at, worker)
      left.add(row.id)
      dropped++
      continue
    }
    const until = at + leaseMs
    const token = row.lease_token + 1
    const attempts = row.attempts + 1
    const { changes } = db
      .query(LEASE)
      .run(row.id, worker, until, at, audit.nextSeq(), row.lease_token, row.attempts)
    if (changes !== 1) throw new Error(`entry ${row.id} changed inside its own transaction`)
    const seq = audit.append({
      event: "leased",
      actor: worker,
      entryId: row.id,
      entryPrevious: row.audit_seq,
      data: { token, attempt: attempts, until },
      move: { from: "pending", to: "in_progress" },
    })
    const entry: EntryRow = {
      ...row,
      state: "in_progress",
      lease_owner: worker,
      lease_token: token,
      leased_until: until,
      attempts,
      updated_at: at,
      reason_code: null,
      reason: null,
      audit_seq: seq,
    }
    const cast = payloadOf(db, row.id)
    if (cast?.checksum !== row.checksum) {
      deadLetter(db, audit, entry, at, worker, "validation", {
        schema_version: 1,
        code: "payload_unreadable",
        message: "the stored payload cannot be read, or is not the one that was accepted",
        where: `entry ${row.id}`,
        hint: "run hyperion audit verify; enqueue the change request again",
        evidence: [],
      })
      left.add(row.id)
      dropped++
      continue
    }
    leases.push({ entry, token, worker, until, attempt: attempts, cast })
  }
  return { leases, dropped }
}

const dependenciesOf = (db: Database, id: number): readonly number[] =>
  db
    .query<{ on_entry: number }, [number]>(DEPENDENCIES_OF)
    .all(id)
    .map((row) => row.on_entry)

/** Adds entries whose every open dependency is already in the batch, so that a chain lands in one go. */
const followChains = (db: Database, chosen: EntryRow[], limit: number): void => {
  const members = new Set(chosen.map((row) => row.id))
  const dependents = db.query<EntryRow, [number]>(WAITING_DEPENDENTS)
  for (let i = 0; i < chosen.length && chosen.length < limit; i++) {
    for (const row of dependents.all(chosen[i]!.id)) {
      if (chosen.length >= limit) return
      if (members.has(row.id)) continue
      const inBatch = dependenciesOf(db, row.id).filter((on) => members.has(on)).length
      if (inBatch < row.blockers) continue
      members.add(row.id)
      chosen.push(row)
    }
  }
}

/** Extends leases; returns the ids whose lease is no longer held. No audit row for an extended one: only a time moved. */
export const renewLeases = (
  db: Database,
  leases: readonly Lease[],
  leaseMs: number,
  at: Millis,
): number[] => {
  const renew = db.query(RENEW)
  const lost = leases.filter((lease) => renew.run(lease.entry.id, lease.token, at + leaseMs).changes === 0)
  if (lost.length > 0) {
    const audit = auditAppender(db, at)
    for (const lease of lost) noteLost(db, audit, lease, "renew")
  }
  return lost.map((lease) => lease.entry.id)
}

/** Takes expired leases back, at most `limit`; an entry whose attempts are spent becomes a dead letter. */
export const reclaimExpired = (db: Database, at: Millis, limit: number): number =>
  reclaim(
    db,
    db.query<EntryRow, [number, number]>(EXPIRED_LEASES).all(at, limit),
    at,
    "stopped renewing its lease",
  )

/** Takes back the leases of owners that have ended: nobody will renew or settle them. At most `limit` are looked at. */
export const reclaimEnded = (
  db: Database,
  ended: (owner: string) => boolean,
  at: Millis,
  limit: number,
): number => {
  const leased = db.query<EntryRow, [number, number]>(EXPIRED_LEASES).all(Number.MAX_SAFE_INTEGER, limit)
  return reclaim(
    db,
    leased.filter((row) => ended(row.lease_owner ?? "")),
    at,
    "has ended",
  )
}

const reclaim = (db: Database, rows: readonly EntryRow[], at: Millis, what: string): number => {
  if (rows.length === 0) return 0
  const audit = auditAppender(db, at)
  for (const row of rows) {
    if (row.attempts >= row.max_attempts)
      deadLetter(db, audit, row, at, "watchdog", "attempts", {
        schema_version: 1,
        code: "attempts_spent",
        message: `its worker was lost ${counted(row.attempts, "time")}`,
        where: `worker ${row.lease_owner}`,
        hint: `hyperion history ${row.id} lists every lease; hyperion requeue ${row.id} --reason TEXT tries again`,
        evidence: [],
      })
    else
      move(db, audit, row, "lease_reclaimed", {
        actor: "watchdog",
        at,
        data: { owner: row.lease_owner, token: row.lease_token, leased_until: row.leased_until },
        reason: { code: "lease_reclaimed", text: `worker ${row.lease_owner} ${what}` },
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
