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
): EntryRow => moveThrough(db, audit, row, [[event, options]])

/**
 * Several transitions in one go: a row of the log for each, and one write of the entry, as the last one leaves it. A
 * state it is in for no moment costs no index.
 */
export const moveThrough = (
  db: Database,
  audit: AuditAppender,
  row: EntryRow,
  steps: readonly (readonly [event: string, options: MoveOptions])[],
): EntryRow => {
  const firstSeq = audit.nextSeq()
  const passed: EntryRow[] = []
  for (const [event, options] of steps) {
    const before = passed.at(-1) ?? row
    const to: EntryState | null = transition(before.state, event)
    if (to === null) throw new Error(`no transition ${event} from ${before.state}`)
    passed.push({
      ...before,
      state: to,
      lease_owner: options.lease?.owner ?? null,
      leased_until: options.lease?.until ?? null,
      lease_token: options.lease?.token ?? before.lease_token,
      run_at: options.runAt ?? null,
      updated_at: options.at,
      reason_code: options.reason?.code ?? null,
      reason: options.reason?.text ?? null,
      attempts: options.attempts ?? before.attempts,
      audit_seq: firstSeq + passed.length,
    })
  }
  const last = passed.at(-1) ?? row
  const { changes } = db
    .query(TERMINAL.has(last.state) ? MOVE_AND_DECIDE : TERMINAL.has(row.state) ? MOVE_AND_REOPEN : MOVE)
    .run(
      row.id,
      last.state,
      row.state,
      row.lease_token,
      last.lease_owner,
      last.leased_until,
      last.run_at,
      last.updated_at,
      last.reason_code,
      last.reason,
      last.attempts,
      last.lease_token,
      last.audit_seq,
    )
  if (changes !== 1) throw new Error(`entry ${row.id} changed inside its own transaction`)
  for (const [index, [event, { actor, data, reason }]] of steps.entries()) {
    const before = passed[index - 1] ?? row
    audit.append({
      event,
      actor,
      entryId: row.id,
      entryPrevious: before.audit_seq,
      data: reason ? { ...data, code: reason.code, reason: reason.text } : (data ?? {}),
      move: { from: before.state, to: passed[index]!.state },
    })
  }
  return last
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
  if (!row || row.archived !== null) return
  const newest = db.query<{ event: string; data: string }, [number]>(AUDIT_ROW).get(row.audit_seq)
  if (newest?.event === "lease_lost" && JSON.parse(newest.data).token === lease.token) return
  note(db, audit, row, "lease_lost", {
    actor: lease.worker,
    data: { owner: lease.worker, token: lease.token, refused },
  })
}
