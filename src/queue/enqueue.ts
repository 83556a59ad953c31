import type { Database } from "bun:sqlite"
import { type CastPayload, castChecksum, castIdOf, expiresAt } from "../domain/cast.ts"
import { payloadHash } from "../domain/change-request.ts"
import { type EntryState, isLive } from "../domain/entry.ts"
import type { Landing } from "../domain/request.ts"
import { type Millis, toTimestamp } from "../domain/time.ts"
import type { Violation } from "../domain/violation.ts"
import { type AuditAppender, auditAppender } from "../platform/audit-append.sql.ts"
import {
  AGENT_CLOCK,
  COUNT_UP,
  ENTRIES_OF_TASK,
  type EntryRow,
  INSERT_DEPENDENCY,
  INSERT_ENTRY,
  INSERT_PAYLOAD,
  REPOINT_DEPENDENTS,
  SET_AGENT_CLOCK,
  VOID_APPROVALS,
} from "./queue.sql.ts"
import { move } from "./transition.ts"

/** One priority step is worth this much waiting: an entry of priority 5 goes before one of 4 made up to 5 min earlier. */
export const AGING_MS = 300_000
/** How far one accepted cast pushes its agent's virtual time: a flood of one agent queues behind the others' next casts. */
export const FAIR_SLICE_MS = 100

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

/** Each item is queued, a duplicate or rejected on its own; one transaction for all of them. */
export const enqueueAll = (
  db: Database,
  items: readonly EnqueueItem[],
  options: EnqueueOptions,
): EnqueueOutcome[] => {
  const audit = auditAppender(db, options.at)
  return items.map((item) => enqueueOne(db, audit, item, options))
}

const rejected = (code: string, path: string, message: string, hint: string): EnqueueOutcome => ({
  outcome: "rejected",
  violation: { code, path, message, hint },
})

const enqueueOne = (
  db: Database,
  audit: AuditAppender,
  item: EnqueueItem,
  options: EnqueueOptions,
): EnqueueOutcome => {
  const { cast } = item
  const checksum = castChecksum(cast)
  if (checksum !== cast.checksum || castIdOf(checksum) !== cast.cast_id)
    return rejected(
      "checksum_mismatch",
      "checksum",
      `cast ${cast.cast_id} does not match its checksum`,
      "the cast was changed after it was made: make it again from its change request",
    )
  const expires = expiresAt(cast)
  if (expires <= options.at)
    return rejected(
      "cast_expired",
      "ttl_seconds",
      `cast ${cast.cast_id} expired at ${toTimestamp(expires)}`,
      "make a new cast from its change request, or give it a longer ttl_seconds",
    )

  const hash = payloadHash(cast.change_request.changes)
  const earlier = db.query<EntryRow, [string]>(ENTRIES_OF_TASK).all(cast.task_id)
  const same = earlier.find((row) => row.payload_hash === hash)
  if (
    same &&
    (isLive(same.state) || (same.state === "applied" && same.updated_at + options.dedupWindowMs > options.at))
  ) {
    db.query(COUNT_UP).run("dedup_hits", 1)
    audit.append({
      event: "duplicate",
      actor: options.actor,
      subject: cast.task_id,
      data: { entry: same.id, cast_id: cast.cast_id, payload_hash: hash },
    })
    return { outcome: "duplicate", entryId: same.id, state: same.state }
  }

  const others = earlier.filter((row) => row !== same)
  const landed = others.find((row) => row.state === "applied")
  if (landed && !item.supersede)
    return rejected(
      "task_already_applied",
      "task_id",
      `task ${cast.task_id} has already landed as entry ${landed.id}`,
      "use a new task_id for further work, or enqueue with --supersede to land another answer to the same task",
    )
  const landing = others.find((row) => row.state === "committing")
  if (landing)
    return rejected(
      "landing_in_progress",
      "task_id",
      `task ${cast.task_id} is landing right now as entry ${landing.id}`,
      "try again in a moment",
    )

  const dependencies: EntryRow[] = []
  for (const task of cast.change_request.depends_on ?? []) {
    const row = db.query<EntryRow, [string]>(ENTRIES_OF_TASK).get(task)
    if (!row)
      return rejected(
        "unknown_dependency",
        "change_request.depends_on",
        `depends on task ${task}, which is not in the queue`,
        `enqueue ${task} first, or list it earlier in the same file`,
      )
    dependencies.push(row)
  }

  const replaced = others.filter((row) => isLive(row.state))
  for (const row of replaced) {
    move(db, audit, row, "superseded", {
      actor: options.actor,
      at: options.at,
      reason: { code: "superseded", text: `replaced by cast ${cast.cast_id}` },
    })
    db.query(VOID_APPROVALS).run(row.id, options.at, `superseded by ${cast.cast_id}`)
  }

  const clock =
    db.query<{ virtual_time: number }, [string]>(AGENT_CLOCK).get(cast.agent_id)?.virtual_time ?? 0
  const start = Math.max(options.at, clock)
  db.query(SET_AGENT_CLOCK).run(cast.agent_id, start + FAIR_SLICE_MS)

  const answered = replaced[0] ?? others.find((row) => row.state === "conflict" || row.state === "failed")
  const { id } = db
    .query<{ id: number }, (string | number | null)[]>(INSERT_ENTRY)
    .get(
      cast.cast_id,
      cast.checksum,
      cast.request_id,
      cast.task_id,
      cast.agent_id,
      hash,
      (same?.generation ?? 0) + 1,
      item.priority,
      start - item.priority * AGING_MS,
      dependencies.filter((row) => row.state !== "applied").length,
      item.landing,
      item.maxAttempts,
      expires,
      options.at,
      answered?.id ?? null,
      audit.nextSeq(),
    )!
  db.query(INSERT_PAYLOAD).run(id, JSON.stringify(cast))
  for (const row of dependencies) db.query(INSERT_DEPENDENCY).run(id, row.id)
  for (const row of replaced) db.query(REPOINT_DEPENDENTS).run(id, row.id)
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
      priority: item.priority,
    },
    move: { from: null, to: "pending" },
  })
  return { outcome: "queued", entryId: id, superseded: replaced.map((row) => row.id) }
}
