import type { Database } from "bun:sqlite"
import { decodeCounts, STATES, type StateCounts } from "../domain/entry.ts"
import type { FailureReport, Receipt } from "../domain/receipt.ts"
import type { Millis } from "../domain/time.ts"
import { AUDIT_ROW, type AuditRow, RECENT_AUDIT } from "../platform/audit.sql.ts"
import { auditHead } from "../platform/audit-append.sql.ts"
import {
  AHEAD_OF,
  APPROVALS_OF_ENTRY,
  APPROVALS_OF_REQUEST,
  type ApprovalRow,
  DEAD_LETTER_OF,
  DEPENDENCIES_OF,
  type DeadLetterFilter,
  deadLetterQuery,
  type EntryRow,
  IDS_BY_CAST,
  IDS_BY_COMMIT,
  IDS_BY_REQUEST,
  IDS_BY_TASK,
  type ListFilter,
  listQuery,
  RECEIPT,
  VERIFICATION,
} from "./queue.sql.ts"
import { entryRow } from "./transition.ts"

export interface VerificationRow {
  readonly entry_id: number
  readonly base_commit: string | null
  readonly base_tree: string | null
  readonly result_tree: string
  readonly approval_digest: string
  readonly body: string
  readonly verified_at: number
}

/** Newest first. */
export const listEntries = (db: Database, filter: ListFilter): EntryRow[] => {
  const { sql, values } = listQuery(filter)
  return db.query<EntryRow, (string | number)[]>(sql).all(...values)
}

/**
 * Entries an id of any kind speaks of: entry number, cast, task, request, or landed commit (≥ 7 hex digits). The first
 * kind that knows it wins; a request gives all of its entries.
 */
export const resolveId = (db: Database, text: string): number[] => {
  const ids = (sql: string, value: string) =>
    db
      .query<{ id: number }, [string]>(sql)
      .all(value)
      .map((row) => row.id)
      .sort((a, b) => a - b)
  if (/^[1-9]\d{0,14}$/.test(text) && entryRow(db, Number(text))) return [Number(text)]
  for (const sql of [IDS_BY_CAST, IDS_BY_TASK, IDS_BY_REQUEST]) {
    const found = ids(sql, text)
    if (found.length > 0) return sql === IDS_BY_REQUEST ? found : found.slice(-1)
  }
  return /^[0-9a-f]{7,40}$/.test(text) ? ids(IDS_BY_COMMIT, text) : []
}

/** Audit rows about one entry, oldest first. */
export const historyOf = (db: Database, row: EntryRow): AuditRow[] => {
  const rows: AuditRow[] = []
  const bySeq = db.query<AuditRow, [number]>(AUDIT_ROW)
  for (let seq: number | null = row.audit_seq; seq !== null; ) {
    const event: AuditRow | null = bySeq.get(seq)
    if (!event) break
    rows.push(event)
    seq = event.entry_previous
  }
  return rows.reverse()
}

export const recentAudit = (
  db: Database,
  options: { since?: Millis; before?: number; limit: number },
): AuditRow[] =>
  db
    .query<AuditRow, [number, number, number]>(RECENT_AUDIT)
    .all(options.before ?? Number.MAX_SAFE_INTEGER, options.since ?? 0, options.limit)

export const receiptOf = (db: Database, id: number): Receipt | null => {
  const body = db.query<{ body: string }, [number]>(RECEIPT).get(id)?.body
  return body === undefined ? null : JSON.parse(body)
}

export const verificationOf = (db: Database, id: number): VerificationRow | null =>
  db.query<VerificationRow, [number]>(VERIFICATION).get(id)

export const approvalsOf = (
  db: Database,
  target: { entryId: number } | { requestId: string },
): ApprovalRow[] =>
  "entryId" in target
    ? db.query<ApprovalRow, [number]>(APPROVALS_OF_ENTRY).all(target.entryId)
    : db.query<ApprovalRow, [string]>(APPROVALS_OF_REQUEST).all(target.requestId)

/** Ready entries that go before this one. */
export const aheadOf = (db: Database, row: EntryRow): number =>
  db.query<{ n: number }, [number, number]>(AHEAD_OF).get(row.rank, row.id)!.n

export const dependenciesOf = (db: Database, id: number): EntryRow[] =>
  db
    .query<{ on_entry: number }, [number]>(DEPENDENCIES_OF)
    .all(id)
    .flatMap(({ on_entry }) => entryRow(db, on_entry) ?? [])

export interface DeadLetterRow {
  readonly id: number
  readonly entry_id: number
  readonly task_id: string
  readonly agent: string
  readonly reason_class: "validation" | "apply" | "guard" | "ttl" | "attempts" | "infra"
  readonly error: string
  readonly failed_at: number
}

/** Newest first. */
export const deadLetters = (db: Database, filter: DeadLetterFilter): DeadLetterRow[] => {
  const { sql, values } = deadLetterQuery(filter)
  return db.query<DeadLetterRow, (string | number)[]>(sql).all(...values)
}

/** Why an entry is in conflict, from the row of the log that put it there. */
export const conflictReport = (db: Database, row: EntryRow): FailureReport | null => {
  if (row.state !== "conflict") return null
  const last = historyOf(db, row).findLast(
    (event) => event.event === "conflicted" || event.event === "foreign_edit",
  )
  return last === undefined ? null : ((JSON.parse(last.data) as { report?: FailureReport }).report ?? null)
}

export const failureReport = (db: Database, id: number): FailureReport | null => {
  const report = db.query<{ report: string }, [number]>(DEAD_LETTER_OF).get(id)?.report
  return report === undefined ? null : JSON.parse(report)
}

/** Cumulative counts from the newest audit row: constant time, however many entries there are. */
export const stateCounts = (db: Database): StateCounts => auditHead(db).counts

export const countsOf = (row: AuditRow): StateCounts => decodeCounts(row.counts)

/** Entries not yet decided. */
export const depth = (counts: StateCounts): number =>
  STATES.reduce(
    (sum, state) =>
      ["applied", "conflict", "failed", "cancelled"].includes(state) ? sum : sum + counts[state],
    0,
  )

export type { ListFilter }
