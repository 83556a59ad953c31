import type { Database } from "bun:sqlite"
import { CAST_VERSION, type CastPayload, castChecksum, castIdOf, expiresAt } from "../domain/cast.ts"
import { payloadHash } from "../domain/change-request.ts"
import { type EntryState, isLive } from "../domain/entry.ts"
import { sha256Hex } from "../domain/hash.ts"
import type { Landing } from "../domain/request.ts"
import { type Millis, toTimestamp } from "../domain/time.ts"
import type { Violation } from "../domain/violation.ts"
import { type AuditAppender, type AuditHead, auditAppender, auditHead } from "../platform/audit-append.sql.ts"
import { repointDependents, resolveDependencies } from "./dependencies.ts"
import { inheritHold } from "./hold.ts"
import {
  AGENT_CLOCK,
  COUNT_UP,
  DROP_VERIFICATION,
  type EntryRow,
  INSERT_DEPENDENCY,
  INSERT_ENTRY,
  INSERT_PAYLOAD,
  SET_AGENT_CLOCK,
  VOID_APPROVALS,
} from "./queue.sql.ts"
import { payloadBytes } from "./sweep.ts"
import { entriesOfTask, move } from "./transition.ts"

/** One priority step is worth this much waiting: an entry of priority 5 goes before one of 4 made up to 5 min earlier. */
export const AGING_MS = 300_000
/**
 * How far one waiting cast pushes its agent's next one of the same priority: another agent that comes while a flood is
 * worked off goes before the rest of it. Enough while an entry takes up to ten seconds (`scripts/bench/flood.ts`).
 * Five waiting casts of an agent weigh as much as a step of priority.
 */
export const FAIR_SLICE_MS = 60_000
/** The last instant a date can name; a later expiry has no text form. */
const LAST_INSTANT = 8.64e15

export interface EnqueueItem {
  readonly cast: CastPayload
  readonly priority: number
  readonly landing: Landing
  readonly maxAttempts: number
  /** Allows another payload for a task that has already landed. */
  readonly supersede: boolean
}

export interface EnqueueOptions {
  readonly at: Millis
  readonly actor: string
  readonly dedupWindowMs: number
}

export type EnqueueOutcome =
  | { readonly outcome: "queued"; readonly entryId: number; readonly superseded: readonly number[] }
  | { readonly outcome: "duplicate"; readonly entryId: number; readonly state: EntryState }
  | { readonly outcome: "rejected"; readonly violation: Violation }

/** An item with everything that needs no database: hashing a large cast must not hold the write lock. */
export interface PreparedItem extends EnqueueItem {
  readonly payloadHash: string
  readonly body: string
  readonly bodySha256: string
  readonly expires: Millis
  /** What is wrong with the cast itself, whenever it is enqueued. */
  readonly violation: Violation | null
}

export const prepareItem = (item: EnqueueItem): PreparedItem => {
  const { cast } = item
  const body = JSON.stringify(cast)
  return {
    ...item,
    payloadHash: payloadHash(cast.change_request.changes),
    body,
    bodySha256: sha256Hex(body),
    expires: expiresAt(cast),
    violation: castViolation(cast),
  }
}

const castViolation = (cast: CastPayload): Violation | null => {
  if (cast.version !== CAST_VERSION)
    return {
      code: "cast_version_unsupported",
      path: "version",
      message: `cast ${cast.cast_id} has version ${cast.version}; this binary knows ${CAST_VERSION}`,
      hint: "make it again with this version of hyperion",
    }
  const checksum = castChecksum(cast)
  if (checksum !== cast.checksum || castIdOf(checksum) !== cast.cast_id)
    return {
      code: "checksum_mismatch",
      path: "checksum",
      message: `cast ${cast.cast_id} does not match its checksum`,
      hint: "the cast was changed after it was made: make it again from its change request",
    }
  // Written so that NaN is refused too.
  if (!(expiresAt(cast) <= LAST_INSTANT))
    return {
      code: "ttl_out_of_range",
      path: "ttl_seconds",
      message: `cast ${cast.cast_id} would expire after the last date there is`,
      hint: "make a new cast from its change request with a shorter ttl_seconds",
    }
  return null
}

/** Why a cast cannot be enqueued, whatever is in the queue; null when it can. */
export const refusalOf = ({ cast, violation, expires }: PreparedItem, at: Millis): Violation | null => {
  if (violation !== null || expires > at) return violation
  return {
    code: "cast_expired",
    path: "ttl_seconds",
    message: `cast ${cast.cast_id} expired at ${toTimestamp(expires)}`,
    hint: "make a new cast from its change request, or give it a longer ttl_seconds",
  }
}

/** Each item is queued, a duplicate or rejected on its own; one transaction for all of them. */
export const enqueueAll = (
  db: Database,
  items: readonly PreparedItem[],
  options: EnqueueOptions,
  head: AuditHead = auditHead(db),
): EnqueueOutcome[] => {
  const audit = auditAppender(db, options.at, head)
  return items.map((item) => enqueueOne(db, audit, item, options))
}

const rejected = (violation: Violation): EnqueueOutcome => ({ outcome: "rejected", violation })

const enqueueOne = (
  db: Database,
  audit: AuditAppender,
  item: PreparedItem,
  options: EnqueueOptions,
): EnqueueOutcome => {
  const { cast, payloadHash: hash } = item
  const refusal = refusalOf(item, options.at)
  if (refusal) return rejected(refusal)

  const earlier = entriesOfTask(db, cast.task_id)
  const standing = earlier.find(
    (row) =>
      row.payload_hash === hash &&
      (isLive(row.state) ||
        (row.state === "applied" &&
          row.updated_at + options.dedupWindowMs > options.at &&
          (row.archived !== null || payloadBytes(db, row.id) !== null))),
  )
  if (standing) {
    db.query(COUNT_UP).run("dedup_hits", 1)
    audit.append({
      event: "duplicate",
      actor: options.actor,
      subject: cast.task_id,
      data: { entry: standing.id, cast_id: cast.cast_id, payload_hash: hash },
    })
    return { outcome: "duplicate", entryId: standing.id, state: standing.state }
  }

  const landed = earlier.find((row) => row.state === "applied" && row.payload_hash !== hash)
  if (landed && !item.supersede)
    return rejected({
      code: "task_already_applied",
      path: "task_id",
      message: `task ${cast.task_id} has already landed as entry ${landed.id}`,
      hint: "use a new task_id for further work, or enqueue with --supersede to land another answer to the same task",
    })
  const landing = earlier.find((row) => row.state === "committing")
  if (landing)
    return rejected({
      code: "landing_in_progress",
      path: "task_id",
      message: `task ${cast.task_id} is landing right now as entry ${landing.id}`,
      hint: "try again in a moment",
    })
  const dependencies = resolveDependencies(db, cast, earlier)
  if (!dependencies.ok) return rejected(dependencies.error)

  const replaced = earlier.filter((row) => isLive(row.state))
  for (const row of replaced) supersede(db, audit, row, cast, options)
  const answered =
    replaced[0] ??
    earlier.find((row) => row.payload_hash !== hash && (row.state === "conflict" || row.state === "failed"))

  const start = startTime(db, cast.agent_id, item.priority, options.at)
  const id = Number(
    db
      .query(INSERT_ENTRY)
      .run(
        cast.cast_id,
        cast.checksum,
        cast.request_id,
        cast.task_id,
        cast.agent_id,
        hash,
        (earlier.find((row) => row.payload_hash === hash)?.generation ?? 0) + 1,
        item.priority,
        start - item.priority * AGING_MS,
        dependencies.value.filter((row) => row.state !== "applied").length,
        item.landing,
        item.maxAttempts,
        item.expires,
        options.at,
        answered?.id ?? null,
        audit.nextSeq(),
      ).lastInsertRowid,
  )
  db.query(INSERT_PAYLOAD).run(id, item.body)
  db.query(SET_AGENT_CLOCK).run(cast.agent_id, item.priority, start + FAIR_SLICE_MS, id)
  for (const row of dependencies.value) db.query(INSERT_DEPENDENCY).run(id, row.id)
  if (earlier.length > 0) repointDependents(db, earlier, id)
  audit.append({
    event: "enqueued",
    actor: options.actor,
    entryId: id,
    data: {
      cast_id: cast.cast_id,
      checksum: cast.checksum,
      task_id: cast.task_id,
      agent: cast.agent_id,
      payload_hash: hash,
      body_sha256: item.bodySha256,
      priority: item.priority,
    },
    move: { from: null, to: "pending" },
  })
  const held = replaced.find((row) => row.held)
  if (held) inheritHold(db, audit, held, id)
  return { outcome: "queued", entryId: id, superseded: replaced.map((row) => row.id) }
}

const supersede = (
  db: Database,
  audit: AuditAppender,
  row: EntryRow,
  cast: CastPayload,
  options: EnqueueOptions,
): void => {
  move(db, audit, row, "superseded", {
    actor: options.actor,
    at: options.at,
    reason: { code: "superseded", text: `replaced by cast ${cast.cast_id}` },
  })
  db.query(VOID_APPROVALS).run(row.id, options.at, `superseded by ${cast.cast_id}`)
  db.query(DROP_VERIFICATION).run(row.id)
}

/** Now, or later by a slice for each cast of the same agent and priority that still waits. */
const startTime = (db: Database, agent: string, priority: number, at: Millis): Millis => {
  const clock = db
    .query<{ virtual_time: number; waiting: number }, [string, number]>(AGENT_CLOCK)
    .get(agent, priority)
  return clock?.waiting ? Math.max(at, clock.virtual_time) : at
}
