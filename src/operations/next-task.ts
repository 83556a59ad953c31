import { join } from "node:path"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as v from "valibot"
import type { Assignment } from "../domain/assignment.ts"
import type { AssignmentMetadata } from "../domain/change-request.ts"
import { isLive } from "../domain/entry.ts"
import {
  CastBuilderContext,
  type CastStatus,
  MAX_SAMPLE_DIFF,
  type NextTask,
  type NextTaskContext,
  type PhaseProgress,
} from "../domain/next-task.ts"
import { RequestStore } from "../intake/RequestStore.ts"
import { readReport, writeReport } from "../platform/report-file.ts"
import { visibleJson } from "../platform/sanitize.ts"
import { CurrentWorkspace } from "../platform/Workspace.ts"
import { awaitingApproval } from "../queue/attention.ts"
import { payloadOf } from "../queue/lease.ts"
import { QueueService } from "../queue/QueueService.ts"
import { type EntryRow, PROVEN, READY } from "../queue/queue.sql.ts"
import { entriesOfTask, entryRow } from "../queue/transition.ts"
import { CONTEXT_FILE, EXECUTION_FOLDER } from "./metrics.ts"

type Db = Parameters<typeof entryRow>[0]
type Work = Pick<
  NextTask,
  "intent" | "complexity" | "sample_diff" | "telemetry_anchors" | "approvals" | "agent_model"
>

const NO_WORK: Work = {
  intent: null,
  complexity: null,
  sample_diff: null,
  telemetry_anchors: [],
  approvals: [],
  agent_model: null,
}

const workOf = (metadata: AssignmentMetadata): Work => ({
  intent: metadata.intent,
  complexity: metadata.complexity,
  sample_diff: metadata.sample_diff?.slice(0, MAX_SAMPLE_DIFF) ?? null,
  telemetry_anchors: [...metadata.telemetry_anchors],
  approvals: [...metadata.approvals],
  agent_model: metadata.agent_model ?? null,
})

const ofAssignment = (assignment: Assignment): NextTask => ({
  task_id: assignment.task_id,
  request_id: assignment.parent_request_id,
  entry_id: null,
  state: "unanswered",
  agent: assignment.agent,
  files: [...assignment.file_targets],
  checks: [...assignment.checks],
  ...workOf(assignment.metadata),
})

const ofEntry = (db: Db, row: EntryRow): NextTask => {
  const change = payloadOf(db, row.id)?.change_request
  return {
    task_id: row.task_id,
    request_id: row.request_id,
    entry_id: row.id,
    state: row.state,
    agent: row.agent,
    files: change?.changes.map(({ path }) => path) ?? [],
    checks: [...(change?.checks ?? [])],
    ...(change ? workOf(change.metadata) : NO_WORK),
  }
}

/** What a worker would take next; where there is nothing for it, what waits longest for a person. */
const nextInQueue = (db: Db): NextTask | null => {
  const [row] = [
    ...db.query<EntryRow, [number]>(READY).all(1),
    ...db.query<EntryRow, [number]>(PROVEN).all(1),
    ...awaitingApproval(db, 0, 1),
  ]
  return row === undefined ? null : ofEntry(db, row)
}

/** The newest answer to each task; null where there is none. */
const answersTo = (db: Db, tasks: readonly string[]): ReadonlyMap<string, EntryRow | null> =>
  new Map(tasks.map((task) => [task, entriesOfTask(db, task)[0] ?? null]))

const progressOf = (
  phases: readonly { readonly id: string; readonly name: string; readonly ordinal: number }[],
  assignments: readonly Assignment[],
  answers: ReadonlyMap<string, EntryRow | null>,
): PhaseProgress[] =>
  [...phases]
    .sort((a, b) => a.ordinal - b.ordinal)
    .map(({ id, name }) => {
      const rows = assignments
        .filter(({ phase_id }) => phase_id === id)
        .map(({ task_id }) => answers.get(task_id) ?? null)
      const count = (is: (row: EntryRow | null) => boolean) => rows.filter(is).length
      return {
        phase_id: id,
        name,
        tasks: rows.length,
        unanswered: count((row) => row === null),
        open: count((row) => row !== null && isLive(row.state)),
        applied: count((row) => row?.state === "applied"),
        ended: count((row) => row !== null && !isLive(row.state) && row.state !== "applied"),
      }
    })

/** The block as a cast builder, or we, left it. What does not fit counts as not there. */
const builderIn = (text: string | null): CastBuilderContext | null => {
  try {
    const found = (JSON.parse(text ?? "null") as { cast_builder?: unknown } | null)?.cast_builder
    if (typeof found !== "object" || found === null) return null
    const parsed = v.safeParse(CastBuilderContext, { ...NO_BUILDER, ...found })
    return parsed.success ? parsed.output : null
  } catch {
    return null
  }
}

const NO_BUILDER: CastBuilderContext = {
  request_id: null,
  status: null,
  exported_at: null,
  ...NO_WORK,
  skill_export: { status: "not_exported", exported_at: null },
}

/** How far a request came, from its answers; null when nothing of it is in the queue. */
const statusOf = (rows: readonly EntryRow[]): CastStatus | null =>
  rows.length === 0 ? null : rows.some((row) => isLive(row.state)) ? "enqueued" : "consumed"

/**
 * The context document. `touched` is the request that the command at hand was about. It takes the place of the one
 * before, unless that one is still being built.
 */
const contextOf = Effect.fn("operations.contextOf")(function* (touched: string | null) {
  const requests = yield* RequestStore
  const queue = yield* QueueService
  const { root } = yield* CurrentWorkspace
  const before = builderIn(readReport(join(root, EXECUTION_FOLDER), CONTEXT_FILE))
  const isBuilding =
    before !== null && ["draft", "finalized", "exported"].includes(before.status ?? "consumed")
  const id = touched === null || isBuilding ? (before?.request_id ?? touched) : touched
  const stored = id === null ? null : yield* requests.get(id)
  const tasks = id === null ? [] : yield* requests.tasksOf(id)
  const assignments = (yield* Effect.forEach(tasks, requests.assignment)).filter((one) => one !== null)
  const timestamp = Math.floor((yield* Clock.currentTimeMillis) / 1_000)
  return yield* queue.read((db): NextTaskContext => {
    // A change request without a task request is its own request, and its only task.
    const answers = answersTo(db, tasks.length > 0 || id === null ? tasks : [id])
    const rows = [...answers.values()].filter((row) => row !== null)
    const unanswered = assignments.find(({ task_id }) => answers.get(task_id) === null)
    const first = assignments[0] ? ofAssignment(assignments[0]) : rows[0] ? ofEntry(db, rows[0]) : null
    const kept = before?.request_id === id ? before : null
    const status = statusOf(rows) ?? kept?.status ?? "finalized"
    return {
      schema_version: 1,
      timestamp,
      next_task: unanswered ? ofAssignment(unanswered) : nextInQueue(db),
      phase_progress: progressOf(stored?.request.phases ?? [], assignments, answers),
      cast_builder:
        id === null
          ? before
          : { ...NO_BUILDER, ...kept, ...(first && pickWork(first)), request_id: id, status },
    }
  })
})

const pickWork = ({
  intent,
  complexity,
  sample_diff,
  telemetry_anchors,
  approvals,
  agent_model,
}: NextTask): Work => ({
  intent,
  complexity,
  sample_diff,
  telemetry_anchors,
  approvals,
  agent_model,
})

/** Writes `execution/next_task_context.json` whole; a disk that refuses it stops nobody. */
export const recordContext = Effect.fn("operations.recordContext")(function* (touched: string | null) {
  const { root } = yield* CurrentWorkspace
  const context = yield* contextOf(touched)
  yield* Effect.ignore(
    writeReport(join(root, EXECUTION_FOLDER), CONTEXT_FILE, `${visibleJson(context, 2)}\n`),
  )
  return context
})

/** The request that an entry belongs to. */
export const requestOfEntry = (entryId: number | null) =>
  entryId === null
    ? Effect.succeed(null)
    : Effect.flatMap(QueueService, (queue) => queue.read((db) => entryRow(db, entryId)?.request_id ?? null))
