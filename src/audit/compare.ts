import { type CastPayload, castChecksum } from "../domain/cast.ts"
import { payloadHash } from "../domain/change-request.ts"
import { isLive } from "../domain/entry.ts"
import { canonicalJson, sha256Hex } from "../domain/hash.ts"
import type { AuditRow } from "../platform/audit.sql.ts"
import type { StoredDecision, StoredEntry } from "./audit.sql.ts"
import { type AuditFault, dataOf, faultAt, type LoggedEntry, type LoggedFreeze } from "./ledger.ts"

/** Fields of an entry that its first row of the log repeats. */
const NAMED = ["cast_id", "checksum", "task_id", "agent", "payload_hash", "priority"] as const

/** One entry of the queue against what the log says about it. `dataOfRow` gives the data text of a row of the log. */
export const compareEntry = (
  row: StoredEntry,
  logged: LoggedEntry | undefined,
  dataOfRow: (seq: number) => string | undefined,
  /** What is archived is still being taken out. */
  isBeingSwept = false,
): AuditFault | null => {
  const { id } = row
  const fault = (code: AuditFault["code"], message: string) => faultAt(code, { entryId: id }, message)
  if (!logged) return fault("entry", `entry ${id} is in the queue, but not in the log`)
  // Held against the checkpoint's digest before.
  if (logged.isArchived === true)
    return (row.body ?? row.receipt ?? row.approval_digest) === null || isBeingSwept
      ? null
      : fault("entry", `entry ${id} is archived, and something was put in its place`)
  if (row.state !== logged.state)
    return fault("entry", `entry ${id} is ${row.state} in the queue, but ${logged.state} in the log`)
  if (row.audit_seq !== logged.lastSeq)
    return fault("entry", `entry ${id} names row ${row.audit_seq} as its newest; it is row ${logged.lastSeq}`)

  if ((row.held === 1) !== logged.held)
    return fault(
      "entry",
      logged.held
        ? `entry ${id} is held by the log, but was let go in the queue`
        : `entry ${id} is held in the queue, but nobody held it by the log`,
    )

  const enqueued = dataOf(dataOfRow(logged.enqueuedSeq))
  const changed = NAMED.find((name) => row[name] !== enqueued[name])
  if (changed) return fault("entry", `entry ${id} has another ${changed} than when it was enqueued`)
  const castFault = compareCast(row, enqueued)
  if (castFault) return fault("cast", castFault)

  if (row.approval_digest !== null) {
    const verified = dataOf(dataOfRow(logged.verifiedSeq))
    if (row.approval_digest !== verified["approval_digest"] || row.result_tree !== verified["result_tree"])
      return fault("approval", `the proof of entry ${id} is not the one that was recorded`)
  }
  const receipt = dataOf(dataOfRow(logged.appliedSeq))["receipt_sha256"]
  if ((row.receipt === null ? undefined : sha256Hex(row.receipt)) !== receipt)
    return fault("receipt", `the receipt of entry ${id} is not the one that was recorded`)
  return null
}

const compareCast = (row: StoredEntry, enqueued: Readonly<Record<string, unknown>>): string | null => {
  // A decided entry's payload may have been cleaned up; its checksum stays in the log.
  if (row.body === null) return isLive(row.state) ? `the payload of entry ${row.id} is missing` : null
  let cast: CastPayload
  try {
    cast = JSON.parse(row.body)
    if (castChecksum(cast) === row.checksum && payloadHash(cast.change_request.changes) === row.payload_hash)
      return sha256Hex(row.body) === enqueued["body_sha256"] && cast.request_id === row.request_id
        ? null
        : `entry ${row.id} or its payload was changed after it was enqueued`
  } catch {
    return `the payload of entry ${row.id} cannot be read`
  }
  return `the payload of entry ${row.id} does not match its checksum`
}

/** One stored decision of a person against the row that recorded it. */
export const compareDecision = (row: StoredDecision, logged: AuditRow | undefined): AuditFault | null => {
  const entryId = row.entry_id ?? undefined
  const at = entryId === undefined ? {} : { entryId }
  if (!logged) return faultAt("approval", at, `approval ${row.id} is not in the log`)
  const { approval, digest, presence, attested, acknowledged, note, approver, role, signature } = dataOf(
    logged.data,
  )
  const same =
    approval === row.id &&
    logged.entry_id === row.entry_id &&
    (row.entry_id !== null || logged.subject === row.request_id) &&
    (logged.event === "rejected") === (row.decision === "reject") &&
    digest === row.digest &&
    presence === row.presence &&
    attested === (row.attested === 1) &&
    approver === row.approver &&
    (note ?? null) === row.note &&
    (role ?? null) === row.role &&
    (signature ?? null) === row.signature &&
    canonicalJson(acknowledged ?? []) === row.acknowledged
  return same
    ? null
    : faultAt("approval", at, `approval ${row.id} is not what was recorded in row ${logged.seq}`)
}

/** The freeze in force, as stored, against the one of the log. */
export const compareFreeze = (stored: string | undefined, logged: LoggedFreeze | null): AuditFault | null => {
  if (stored === undefined)
    return (
      logged &&
      faultAt("freeze", {}, `landings are stopped by the log (${logged.actor}), but not in the queue`)
    )
  if (logged === null)
    return faultAt("freeze", {}, "landings are stopped in the queue, but nobody stopped them by the log")
  const { actor, reason, at } = dataOf(stored)
  return actor === logged.actor && reason === logged.reason && at === logged.at
    ? null
    : faultAt("freeze", {}, "the stop of all landings is not the one that was recorded")
}
