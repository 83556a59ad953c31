import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { Assignment } from "../domain/assignment.ts"
import { canonicalDigest } from "../domain/hash.ts"
import type { TaskRequest } from "../domain/request.ts"
import { auditAppender } from "../platform/audit-append.sql.ts"
import { Database, type DatabaseError } from "../platform/Database.ts"
import {
  ASSIGNMENT,
  DROP_ASSIGNMENTS,
  INSERT_AGENT_RUN,
  PUT_ASSIGNMENT,
  PUT_REQUEST,
  REQUEST,
  REQUESTS_IN_STATE,
  TASKS_OF_REQUEST,
} from "./request.sql.ts"

export type RequestState = "needs_clarification" | "split" | "enqueued"

export interface StoredRequest {
  readonly request: TaskRequest
  readonly state: RequestState
  /** SHA-256 of the request's canonical JSON: what an approval of the request itself binds. */
  readonly digest: string
}

/** One prompt and its answer, correlated by task. */
export interface AgentRun {
  readonly taskId: string
  readonly agent: string
  readonly model: string | null
  /** `answered`, or the tag of the agent's error. */
  readonly outcome: string
  readonly prompt: string
  readonly answer: string
  readonly usage: object
  readonly startedAt: number
  readonly durationMs: number
}

export interface RequestStoreShape {
  /** Stores a request with its split; an earlier split of the same request is replaced. */
  readonly put: (
    request: TaskRequest,
    state: RequestState,
    assignments: readonly Assignment[],
    actor: string,
  ) => Effect.Effect<StoredRequest, DatabaseError>
  readonly get: (requestId: string) => Effect.Effect<StoredRequest | null, DatabaseError>
  readonly inState: (
    state: RequestState,
    limit: number,
  ) => Effect.Effect<readonly StoredRequest[], DatabaseError>
  readonly assignment: (taskId: string) => Effect.Effect<Assignment | null, DatabaseError>
  /** Tasks a request was split into, in order; empty when it is not known. */
  readonly tasksOf: (requestId: string) => Effect.Effect<readonly string[], DatabaseError>
  readonly recordRun: (run: AgentRun) => Effect.Effect<void, DatabaseError>
}

interface RequestRow {
  readonly request_id: string
  readonly state: RequestState
  readonly digest: string
  readonly body: string
}

const stored = (row: RequestRow): StoredRequest => ({
  request: JSON.parse(row.body),
  state: row.state,
  digest: row.digest,
})

const make = Effect.gen(function* () {
  const database = yield* Database

  const service: RequestStoreShape = {
    put: Effect.fn("RequestStore.put")(function* (request, state, assignments, actor) {
      const at = yield* Clock.currentTimeMillis
      const digest = canonicalDigest(request)
      yield* database.write((db) => {
        db.query(PUT_REQUEST).run(request.request_id, state, digest, JSON.stringify(request), at)
        db.query(DROP_ASSIGNMENTS).run(request.request_id)
        for (const assignment of assignments)
          db.query(PUT_ASSIGNMENT).run(assignment.task_id, request.request_id, JSON.stringify(assignment))
        auditAppender(db, at).append({
          event: `request_${state}`,
          actor,
          subject: request.request_id,
          data: { digest, assignments: assignments.map((assignment) => assignment.task_id) },
        })
      })
      return { request, state, digest }
    }),
    get: (requestId) =>
      database.read((db) => {
        const row = db.query<RequestRow, [string]>(REQUEST).get(requestId)
        return row && stored(row)
      }),
    inState: (state, limit) =>
      database.read((db) =>
        db.query<RequestRow, [string, number]>(REQUESTS_IN_STATE).all(state, limit).map(stored),
      ),
    assignment: (taskId) =>
      database.read((db) => {
        const body = db.query<{ body: string }, [string]>(ASSIGNMENT).get(taskId)?.body
        return body === undefined ? null : JSON.parse(body)
      }),
    tasksOf: (requestId) =>
      database.read((db) =>
        db
          .query<{ task_id: string }, [string]>(TASKS_OF_REQUEST)
          .all(requestId)
          .map((row) => row.task_id),
      ),
    recordRun: (run) =>
      database.write((db) => {
        db.query(INSERT_AGENT_RUN).run(
          run.taskId,
          run.agent,
          run.model,
          run.outcome,
          run.prompt,
          run.answer,
          JSON.stringify(run.usage),
          run.startedAt,
          run.durationMs,
        )
        auditAppender(db, run.startedAt + run.durationMs).append({
          event: "agent_run",
          actor: run.agent,
          subject: run.taskId,
          data: { model: run.model, outcome: run.outcome, duration_ms: run.durationMs },
        })
      }),
  }
  return service
})

/** Task requests, their split, and what agents answered. */
export class RequestStore extends Context.Tag("hyperion/intake/RequestStore")<
  RequestStore,
  RequestStoreShape
>() {
  static readonly layer = Layer.effect(RequestStore, make)
}
