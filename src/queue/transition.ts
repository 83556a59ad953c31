import type { Database } from "bun:sqlite"
import { type EntryState, TERMINAL, transition } from "../domain/entry.ts"
import type { Millis } from "../domain/time.ts"
import { AUDIT_ROW } from "../platform/audit.sql.ts"
import type { AuditAppender } from "../platform/audit-append.sql.ts"
import type { Lease } from "./lease.ts"
import {
  ENTRIES_OF_TASK,
  ENTRY_BY_ID,
  type EntryRow,
  MOVE,
  MOVE_AND_DECIDE,
  MOVE_AND_REOPEN,
  SET_AUDIT_SEQ,
} from "./queue.sql.ts"

/** What a transition writes beside the state. Absent lease fields mean: no lease afterwards. */
export interface MoveOptions {
  readonly actor: string
  readonly at: Millis
  readonly data?: object
  readonly reason?: { readonly code: string; readonly text: string }
  readonly lease?: { readonly owner: string; readonly until: Millis; readonly token: number }
  readonly runAt?: Millis
  readonly attempts?: number
}

export const entryRow = (db: Database, id: number): EntryRow | null =>
  db.query<EntryRow, [number]>(ENTRY_BY_ID).get(id)

/** Every submission of a task, newest first: decides duplicate, superseding or new generation. */
export const entriesOfTask = (db: Database, task: string): EntryRow[] =>
  db
    .query<EntryRow, [string]>(ENTRIES_OF_TASK)
    .all(task)
    .sort((a, b) => b.id - a.id)

/**
 * The one place where an entry changes state: looks the event up in the table, writes the row behind its fence and
 * appends the audit row. Throws on an event the table does not have: that is a defect, and the transaction rolls back.
 */
export const move = (
  db: Database,
  audit: AuditAppender,
  row: EntryRow,
  event: string,
  options: MoveOptions,
): EntryRow => {
  const to: EntryState | null = transition(row.state, event)
  if (to === null) throw new Error(`no transition ${event} from ${row.state}`)
  const next: EntryRow = {
    ...row,
    state: to,
    lease_owner: options.lease?.owner ?? null,
    leased_until: options.lease?.until ?? null,
    lease_token: options.lease?.token ?? row.lease_token,
    run_at: options.runAt ?? null,
    updated_at: options.at,
    reason_code: options.reason?.code ?? null,
    reason: options.reason?.text ?? null,
    attempts: options.attempts ?? row.attempts,
    audit_seq: audit.nextSeq(),
  }
  const { changes } = db
    .query(TERMINAL.has(to) ? MOVE_AND_DECIDE : TERMINAL.has(row.state) ? MOVE_AND_REOPEN : MOVE)
    .run(
      row.id,
      to,
      row.state,
      row.lease_token,
      next.lease_owner,
      next.leased_until,
      next.run_at,
      next.updated_at,
      next.reason_code,
      next.reason,
      next.attempts,
      next.lease_token,
      next.audit_seq,
    )
  if (changes !== 1) throw new Error(`entry ${row.id} changed inside its own transaction`)
  audit.append({
    event,
    actor: options.actor,
    entryId: row.id,
    entryPrevious: row.audit_seq,
    data: {
      ...options.data,
      ...(options.reason && { code: options.reason.code, reason: options.reason.text }),
    },
    move: { from: row.state, to },
  })
  return next
}

/** Records something about an entry that does not change its state, as the newest row of its history. */
export const note = (
  db: Database,
  audit: AuditAppender,
  row: EntryRow,
  event: string,
  options: { readonly actor: string; readonly data: object },
): EntryRow => {
  const seq = audit.append({ event, ...options, entryId: row.id, entryPrevious: row.audit_seq })
  db.query(SET_AUDIT_SEQ).run(row.id, seq)
  return { ...row, audit_seq: seq }
}

/**
 * Puts a refused write of a stale owner into the entry's history, once per lease: a worker that goes on trying must not
 * fill the log.
 */
export const noteLost = (db: Database, audit: AuditAppender, lease: Lease, refused: string): void => {
  const row = entryRow(db, lease.entry.id)
  if (!row) return
  const newest = db.query<{ event: string; data: string }, [number]>(AUDIT_ROW).get(row.audit_seq)
  if (newest?.event === "lease_lost" && JSON.parse(newest.data).token === lease.token) return
  note(db, audit, row, "lease_lost", {
    actor: lease.worker,
    data: { owner: lease.worker, token: lease.token, refused },
  })
}
