import type { Database as Sqlite } from "bun:sqlite"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { newestArchive } from "../audit/archiving.ts"
import type { GuardResult } from "../domain/guard.ts"
import { type Millis, toTimestamp } from "../domain/time.ts"
import { payloadOf } from "../queue/lease.ts"
import { QueueService } from "../queue/QueueService.ts"
import { receiptOf } from "../queue/read.ts"
import { entryRow } from "../queue/transition.ts"
import { positionAt } from "../telemetry/window.ts"
import { STEPS_AFTER, type StepRow } from "./report.sql.ts"

interface Told {
  readonly entry_id: number
  readonly task_id: string
  readonly request_id: string
  readonly agent: string
  /** The first line of what it was for; the task where its cast was swept. */
  readonly intent: string
  readonly at: string
}

export interface ToldLanding extends Told {
  readonly commit: string | null
  readonly paths: readonly string[]
  readonly guards: readonly {
    readonly id: string
    readonly result: GuardResult
    readonly duration_ms: number
  }[]
  readonly approvers: readonly string[]
  readonly flags: readonly string[]
  /** From enqueued to landed. */
  readonly took_ms: number
}

export interface ToldFailure extends Told {
  readonly outcome: "failed" | "conflict" | "cancelled"
  readonly code: string
  readonly reason: string
  readonly by: string
}

export interface ToldDecision {
  readonly entry_id: number | null
  readonly request_id: string | null
  readonly decision: "approved" | "rejected"
  readonly by: string
  readonly attested: boolean
  readonly at: string
}

export interface Report {
  readonly since: string
  readonly until: string
  readonly totals: {
    readonly enqueued: number
    readonly duplicates: number
    readonly landed: number
    readonly failed: number
    readonly conflicts: number
    readonly cancelled: number
    readonly requeued: number
    readonly approvals: number
    readonly rejections: number
    readonly mean_ms_to_land: number | null
    readonly guard_runs: Readonly<Record<GuardResult, number>>
  }
  readonly by_agent: Readonly<
    Record<string, { readonly landed: number; readonly failed: number; readonly conflicts: number }>
  >
  readonly landed: readonly ToldLanding[]
  /** What did not land, and has not since. */
  readonly not_landed: readonly ToldFailure[]
  readonly decisions: readonly ToldDecision[]
  /** Lists hold as many as were asked for; totals count all of them. */
  readonly complete: boolean
  /** Only when it began earlier than the log here does: what happened up to this row is in the archive. */
  readonly archived_until?: number
}

const STEPS = 2_000
const OUTCOMES: Readonly<Record<string, ToldFailure["outcome"]>> = {
  failed: "failed",
  expired: "failed",
  conflicted: "conflict",
  foreign_edit: "conflict",
  cancelled: "cancelled",
  rejected: "cancelled",
  superseded: "cancelled",
}

const dataOf = (row: StepRow): Readonly<Record<string, unknown>> => {
  try {
    return Object(JSON.parse(row.data))
  } catch {
    return {}
  }
}
const text = (value: unknown): string => (typeof value === "string" ? value : "")

/** Takes the steps of the log in order; each entry counts by the last of its outcomes. */
class Tally {
  enqueued = 0
  duplicates = 0
  requeued = 0
  readonly decisions: ToldDecision[] = []
  readonly last = new Map<number, StepRow>()

  take(row: StepRow): void {
    const { event, entry_id: id } = row
    if (event === "enqueued") this.enqueued++
    if (event === "duplicate") this.duplicates++
    if (event === "requeued") {
      this.requeued++
      if (id !== null) this.last.delete(id)
    }
    if (event === "approved" || event === "approval_recorded" || event === "rejected") {
      const { approver, attested } = dataOf(row)
      this.decisions.push({
        entry_id: id,
        request_id: id === null ? row.subject : null,
        decision: event === "rejected" ? "rejected" : "approved",
        by: text(approver) || row.actor,
        attested: attested === true,
        at: toTimestamp(row.at),
      })
    }
    if (id !== null && (event === "applied" || OUTCOMES[event] !== undefined)) this.last.set(id, row)
  }
}

const told = (db: Sqlite, id: number, at: Millis): Told & { readonly created: Millis } => {
  const row = entryRow(db, id)
  const intent = payloadOf(db, id)?.change_request.metadata.intent.split("\n")[0]
  return {
    entry_id: id,
    task_id: row?.task_id ?? "",
    request_id: row?.request_id ?? "",
    agent: row?.agent ?? "",
    intent: intent || (row?.task_id ?? ""),
    at: toTimestamp(at),
    created: row?.created_at ?? at,
  }
}

const landingOf = (db: Sqlite, step: StepRow): ToldLanding => {
  const { created, ...head } = told(db, step.entry_id!, step.at)
  const receipt = receiptOf(db, step.entry_id!)
  return {
    ...head,
    commit: receipt?.commit ?? null,
    paths: [...new Set(receipt?.patches.map(({ path }) => path) ?? [])],
    guards: (receipt?.guard_outputs ?? []).map(({ guard_id, result, duration_ms }) => ({
      id: guard_id,
      result,
      duration_ms,
    })),
    approvers: [...new Set(receipt?.approvals.map(({ approver }) => approver) ?? [])],
    flags: receipt?.flags ?? [],
    took_ms: Math.max(0, step.at - created),
  }
}

const failureOf = (db: Sqlite, step: StepRow): ToldFailure => {
  const { created: _, ...head } = told(db, step.entry_id!, step.at)
  const { code, reason } = dataOf(step)
  return {
    ...head,
    outcome: OUTCOMES[step.event]!,
    code: text(code) || step.event,
    reason: text(reason),
    by: step.actor,
  }
}

/** What happened since a moment: landings with their proofs, what did not land and why, who decided. */
export const report = Effect.fn("operations.report")(function* (since: Millis, limit: number) {
  const queue = yield* QueueService
  const until = yield* Clock.currentTimeMillis
  const tally = new Tally()
  let after = (yield* queue.read((db) => positionAt(db, since))).seq
  const cut = (yield* queue.read(newestArchive))?.cut ?? 0
  const begunEarlier = after < cut
  after = Math.max(after, cut)
  for (let more = true; more; ) {
    const from = after
    const rows = yield* queue.read((db) => db.query<StepRow, [number, number]>(STEPS_AFTER).all(from, STEPS))
    for (const row of rows) tally.take(row)
    more = rows.length === STEPS
    after = rows.at(-1)?.seq ?? after
  }
  const steps = [...tally.last.values()].sort((a, b) => a.seq - b.seq)
  const landings = steps.filter(({ event }) => event === "applied")
  const failures = steps.filter(({ event }) => event !== "applied")
  const byAgent: Record<string, { landed: number; failed: number; conflicts: number }> = {}
  const guardRuns: Record<GuardResult, number> = { passed: 0, failed: 0, timeout: 0, infra: 0 }
  const landed: ToldLanding[] = []
  const notLanded: ToldFailure[] = []
  let took = 0
  const agentOf = (agent: string) => {
    byAgent[agent] ??= { landed: 0, failed: 0, conflicts: 0 }
    return byAgent[agent]
  }
  // In pieces: no read is held open over all of them.
  for (const step of landings) {
    const landing = yield* queue.read((db) => landingOf(db, step))
    agentOf(landing.agent).landed++
    for (const { result } of landing.guards) guardRuns[result]++
    took += landing.took_ms
    if (landed.length < limit) landed.push(landing)
  }
  for (const step of failures) {
    const failure = yield* queue.read((db) => failureOf(db, step))
    if (failure.outcome === "failed") agentOf(failure.agent).failed++
    if (failure.outcome === "conflict") agentOf(failure.agent).conflicts++
    if (notLanded.length < limit) notLanded.push(failure)
  }
  const outcomes = (outcome: ToldFailure["outcome"]) =>
    failures.filter(({ event }) => OUTCOMES[event] === outcome).length
  const decided = (decision: ToldDecision["decision"]) =>
    tally.decisions.filter((one) => one.decision === decision).length
  return {
    since: toTimestamp(since),
    until: toTimestamp(until),
    totals: {
      enqueued: tally.enqueued,
      duplicates: tally.duplicates,
      landed: landings.length,
      failed: outcomes("failed"),
      conflicts: outcomes("conflict"),
      cancelled: outcomes("cancelled"),
      requeued: tally.requeued,
      approvals: decided("approved"),
      rejections: decided("rejected"),
      mean_ms_to_land: landings.length === 0 ? null : Math.round(took / landings.length),
      guard_runs: guardRuns,
    },
    by_agent: Object.fromEntries(Object.entries(byAgent).sort(([a], [b]) => (a < b ? -1 : 1))),
    landed,
    not_landed: notLanded,
    decisions: tally.decisions.slice(0, limit),
    complete: Math.max(landings.length, failures.length, tally.decisions.length) <= limit && !begunEarlier,
    ...(begunEarlier && { archived_until: cut }),
  } satisfies Report
})
