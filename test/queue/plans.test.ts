import { describe, expect, test } from "bun:test"
import * as Effect from "effect/Effect"
import * as requestSql from "../../src/intake/request.sql.ts"
import * as auditSql from "../../src/platform/audit.sql.ts"
import { Database } from "../../src/platform/Database.ts"
import * as attentionSql from "../../src/queue/attention.sql.ts"
import * as flagsSql from "../../src/queue/flags.sql.ts"
import * as sql from "../../src/queue/queue.sql.ts"
import * as journalSql from "../../src/worker/journal.sql.ts"
import { withLayer } from "../support/effect.ts"

const statements = { ...sql, ...auditSql, ...attentionSql, ...requestSql, ...flagsSql, ...journalSql }
const it = withLayer(Database.layerMemory)

/** SQLite's plan of a statement, one line a step. */
const planOf = (statement: string) =>
  Effect.gen(function* () {
    const database = yield* Database
    return yield* database.read((db) => {
      const explain = db.prepare<{ detail: string }, null[]>(`EXPLAIN QUERY PLAN ${statement}`)
      const lines = explain.all(...Array.from({ length: explain.paramsCount }, () => null))
      // Left open, it would block the next checkpoint.
      explain.finalize()
      return lines.map((line) => line.detail)
    })
  })

/** Each statement that runs per entry or per poll, and the index that makes its cost independent of the backlog. */
const INDEXED = {
  READY: "entry_live",
  EXPIRED_LEASES: "entry_live",
  DUE: "entry_live",
  PROVEN: "entry_live",
  AWAITING_APPROVAL: "entry_awaiting",
  EXPIRING: "entry_expiry",
  ENTRIES_OF_TASK: "entry_dedup",
  WAITING_DEPENDENTS: "entry_dependents",
  REPOINT_DEPENDENTS: "entry_dependents",
  DROP_DEPENDENTS: "entry_dependents",
  RECOUNT_BLOCKERS: "entry_dependents",
  DEPENDENT_OF: "entry_dependents",
  AHEAD_OF: "entry_live",
  READY_COUNT: "entry_live",
  LEASED: "entry_live",
  BLOCKED: "entry_live",
  COUNT_BLOCKED: "entry_live",
  CLEAR_FROZEN: "entry_live",
  COMMITTING: "entry_live",
  APPROVALS_OF_ENTRY: "approval_entry",
  APPROVALS_OF_REQUEST: "approval_request",
  VOID_APPROVALS: "approval_entry",
  IDS_BY_CAST: "entry_cast",
  IDS_BY_TASK: "entry_dedup",
  IDS_BY_REQUEST: "entry_request",
  IDS_BY_COMMIT: "receipt_commit",
  DEAD_LETTER_OF: "dead_letter_entry",
  DROP_DEAD_LETTERS: "dead_letter_entry",
} as const satisfies Partial<Record<keyof typeof statements, string>>

const BY_KEY = [
  "ENTRY_BY_ID",
  "PAYLOAD_BY_ID",
  "LEASE",
  "RENEW",
  "MOVE",
  "MOVE_AND_DECIDE",
  "VERIFICATION",
  "DROP_VERIFICATION",
  "RECEIPT",
  "AUDIT_ROW",
  "AGENT_CLOCK",
  "DEPENDENCIES_OF",
  "OPEN_DEPENDENCIES",
] as const satisfies readonly (keyof typeof statements)[]

/** Sorts one entry's dependents, or those that cannot land; nothing sorts the backlog. */
const MAY_SORT = new Set<string>(["WAITING_DEPENDENTS", "BLOCKED"])

test("no statement is compiled again at every run because the planner peeks at its LIMIT", () => {
  expect(Object.entries(statements).filter(([, text]) => /LIMIT \?\d*\s*$/.test(String(text)))).toEqual([])
  expect(sql.listQuery({ limit: 1 }).sql).toEndWith("LIMIT ? + 0")
})

describe("query plans", () => {
  for (const [name, index] of Object.entries(INDEXED))
    it.effect(`${name} uses ${index} and does not sort`, () =>
      Effect.gen(function* () {
        const plan = yield* planOf(statements[name as keyof typeof INDEXED])
        expect(plan.some((line) => line.includes(`INDEX ${index}`))).toBe(true)
        // A row-value subquery or a recursive table is scanned; an entry table never is.
        expect(
          plan.filter((line) => /^SCAN (e|entry|d|entry_dependency|approval|receipt)( |$)/.test(line)),
        ).toEqual(plan.filter((line) => line.startsWith("SCAN") && line.includes(`INDEX ${index}`)))
        if (!MAY_SORT.has(name)) expect(plan.filter((line) => line.includes("TEMP B-TREE"))).toEqual([])
      }),
    )

  for (const name of BY_KEY)
    it.effect(`${name} goes straight to its rows`, () =>
      Effect.gen(function* () {
        const plan = yield* planOf(statements[name])
        expect(plan.filter((line) => line.startsWith("SCAN"))).toEqual([])
        expect(plan.some((line) => line.includes("PRIMARY KEY"))).toBe(true)
      }),
    )
})
