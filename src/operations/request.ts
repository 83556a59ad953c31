import * as Clock from "effect/Clock"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import { AgentHarness } from "../agent/AgentHarness.ts"
import type { AgentAnswer } from "../agent/contract.ts"
import type { AgentError } from "../agent/failure.ts"
import type { Assignment } from "../domain/assignment.ts"
import type { TaskId } from "../domain/ids.ts"
import { parseDocument } from "../domain/parse-document.ts"
import { TaskRequest, unknownKeys } from "../domain/request.ts"
import { told, type Violation } from "../domain/violation.ts"
import { type Clarification, type ClarifiedRequest, clarify } from "../engineer/clarify.ts"
import type { Question } from "../engineer/questions.ts"
import type { Document } from "../intake/documents.ts"
import { RequestStore } from "../intake/RequestStore.ts"
import { changesOf, developerNames, split } from "../orchestrator/split.ts"
import { GitRepository } from "../platform/git/GitRepository.ts"
import { Operator } from "../platform/Operator.ts"
import { CurrentWorkspace } from "../platform/Workspace.ts"
import { errorOf, traced } from "../telemetry/Exporter.ts"
import { type Base, currentBase, readFiles } from "../worker/base.ts"
import { askedSpan, contextOf, requestSpans } from "./request-spans.ts"
import { settingsOf } from "./settings.ts"
import { type Submission, submit } from "./submit.ts"

/** The file is no task request. */
export class NotARequest extends Data.TaggedError("NotARequest")<{
  readonly violations: readonly Violation[]
}> {
  override get message(): string {
    const [first, ...rest] = this.violations
    if (!first) return "this is not a task request"
    return `${told(first)}${rest.length > 0 ? ` (and ${rest.length} more)` : ""}`
  }
}

/** A person has to say more before the work can start. */
export class NeedsClarification extends Data.TaggedError("NeedsClarification")<{
  readonly requestId: string
  readonly questions: readonly Question[]
}> {
  override get message(): string {
    return `request ${this.requestId} needs an answer: ${this.questions.map(({ question }) => question).join(" ")}`
  }
}

export interface Plan {
  readonly base: Base
  /** Epoch nanoseconds. */
  readonly times: {
    readonly begun: bigint
    /** When the request was read, and the base it is for. */
    readonly read: bigint
    readonly clarified: bigint
    readonly split: bigint
  }
  readonly clarification: Clarification
  readonly warnings: readonly string[]
  readonly assignments: readonly Assignment[]
}

export interface RequestOptions {
  readonly agents?: number | undefined
  readonly harness?: string | undefined
  readonly model?: string | undefined
  readonly dryRun: boolean
}

/** What one agent came back with. */
export interface Answered {
  readonly assignment: Assignment
  readonly answer: AgentAnswer | null
  readonly error: AgentError | null
  readonly submission: Submission | null
}

/** Each stage of a request's way, as it happens. */
export interface Tell {
  readonly planned: (plan: Plan) => void
  readonly answered: (assignment: Assignment, outcome: AgentAnswer | AgentError) => void
}

/** Reads the one task request of a file. */
const parseRequest = Effect.fn("operations.parseRequest")(function* (documents: readonly Document[]) {
  const [document, second] = documents
  const wrong = (violation: Violation) => new NotARequest({ violations: [violation] })
  const hint =
    "a task request has request_id, summary and requested_changes; hyperion enqueue takes change requests"
  if (document === undefined || second !== undefined)
    return yield* wrong({
      code: "not_one",
      path: "",
      message: `expected one task request, found ${documents.length} documents`,
      hint,
    })
  if (document.kind === "unreadable") return yield* wrong(document.violation)
  // A bundle carries its request's own fields; casts in it are for enqueue.
  if (document.kind !== "request" && document.kind !== "bundle")
    return yield* wrong({
      code: "not_a_request",
      path: "",
      message: `this is a ${document.kind.replace("_", " ")}, not a task request`,
      hint,
    })
  const parsed = parseDocument(TaskRequest, document.value)
  if (!parsed.ok) return yield* new NotARequest({ violations: parsed.error })
  return { request: parsed.value, raw: document.value }
})

/** Engineer and orchestrator: what the request means, and who does which part of it. Stores nothing. */
export const planRequest = Effect.fn("operations.planRequest")(function* (
  documents: readonly Document[],
  agents: number | undefined,
) {
  const requests = yield* RequestStore
  const begun = yield* Clock.currentTimeNanos
  const { request, raw } = yield* parseRequest(documents)
  const base = yield* currentBase()
  const { policy } = base.policy
  const read = yield* Clock.currentTimeNanos
  const clarification = clarify(request, raw)
  const clarified = yield* Clock.currentTimeNanos
  const warnings = unknownKeys(request).map((key) => `${key} is not a key of a task request: nobody reads it`)
  if (clarification.questions.length > 0) {
    const times = { begun, read, clarified, split: clarified }
    return { base, times, clarification, warnings, assignments: [] } satisfies Plan
  }
  const paths = request.requested_changes.map((change) => change.path)
  const files = yield* readFiles(base.tree, [...new Set(paths)])
  const fileBytes = new Map(
    [...files].flatMap(([path, state]) => (state ? [[path, state.bytes.length] as const] : [])),
  )
  const known = new Map<string, readonly TaskId[]>()
  for (const name of request.depends_on ?? []) {
    const tasks = (yield* requests.tasksOf(name)) as readonly TaskId[]
    known.set(name, tasks.length > 0 ? tasks : [name as TaskId])
  }
  const assignments = split(clarification.request, {
    policy,
    baseRevision: base.commit,
    agents: developerNames(agents ?? policy.agents),
    fileBytes,
    resolve: (name) => known.get(name) ?? null,
  })
  if (!assignments.ok) return yield* new NotARequest({ violations: assignments.error })
  const times = { begun, read, clarified, split: yield* Clock.currentTimeNanos }
  return { base, times, clarification, warnings, assignments: assignments.value } satisfies Plan
})

/** Takes a request all the way into the queue: agents side by side, answers validated and queued in order. */
export const runRequest = Effect.fn("operations.runRequest")(function* (
  documents: readonly Document[],
  options: RequestOptions,
  tell: Tell,
) {
  const plan = yield* planRequest(documents, options.agents)
  const taken = takeRequest(plan, options, tell)
  if (options.dryRun) return yield* taken
  return yield* traced(taken, (exit, { endNs }) => requestSpans(plan, errorOf(exit), endNs))
})

const takeRequest = Effect.fn("operations.takeRequest")(function* (
  plan: Plan,
  options: RequestOptions,
  tell: Tell,
) {
  const requests = yield* RequestStore
  const { name: actor } = yield* Operator
  const { clarification, assignments } = plan
  const { request, questions } = clarification
  if (questions.length > 0) {
    if (!options.dryRun) yield* requests.put(request, "needs_clarification", [], actor)
    return yield* new NeedsClarification({ requestId: request.request_id, questions })
  }
  tell.planned(plan)
  if (!options.dryRun) yield* requests.put(request, "split", assignments, actor)
  const answers = yield* Effect.forEach(
    assignments,
    (assignment) => ask(request, assignment, plan, options, tell),
    { concurrency: options.agents ?? plan.base.policy.policy.agents },
  )
  const answered: Answered[] = []
  // In order, because a dependency has to be in the queue before what depends on it.
  for (const { assignment, outcome } of answers) {
    if ("_tag" in outcome) {
      answered.push({ assignment, answer: null, error: outcome, submission: null })
      continue
    }
    const [submission] = yield* submit(
      [
        {
          kind: "change_request",
          index: 0,
          where: assignment.task_id,
          value: outcome.change_request as Record<string, unknown>,
        },
      ],
      {
        supersede: false,
        dryRun: options.dryRun,
        tasks: "known",
        assignments: new Map([[assignment.task_id, assignment]]),
        parent: contextOf(plan),
      },
    )
    answered.push({ assignment, answer: outcome, error: null, submission: submission ?? null })
  }
  if (!options.dryRun) yield* requests.put(request, "enqueued", assignments, actor)
  return { plan, answered }
})

const ask = Effect.fn("operations.ask")(function* (
  request: ClarifiedRequest,
  assignment: Assignment,
  plan: Plan,
  options: RequestOptions,
  tell: Tell,
) {
  const { base } = plan
  const harness = yield* AgentHarness
  const requests = yield* RequestStore
  const git = yield* GitRepository
  const { root } = yield* CurrentWorkspace
  const { agent } = (yield* settingsOf(base.policy)).policy
  const existing = new Set<string>()
  for (const path of assignment.file_targets) if (yield* git.lookup(base.tree, path)) existing.add(path)
  const startedAt = yield* Clock.currentTimeMillis
  const outcome = yield* harness
    .propose(assignment, {
      policy: agent,
      ...(options.harness !== undefined && { harness: options.harness }),
      changes: changesOf(request, assignment),
      existing,
      root,
      ...(options.model !== undefined && { model: options.model }),
    })
    .pipe(
      Effect.catchTag("AgentError", (error) => Effect.succeed(error)),
      (asked) =>
        options.dryRun
          ? asked
          : traced(asked, (exit, time) => [askedSpan(contextOf(plan), assignment, exit, time)]),
    )
  tell.answered(assignment, outcome)
  const failed = "_tag" in outcome
  if (!options.dryRun)
    yield* requests.recordRun({
      taskId: assignment.task_id,
      agent: assignment.agent,
      model: failed ? null : outcome.model,
      outcome: failed ? outcome.reason : "answered",
      prompt: failed
        ? ""
        : outcome.transcript
            .filter(({ role }) => role === "prompt")
            .map(({ text }) => text)
            .join("\n"),
      answer: failed
        ? (outcome.excerpt ?? outcome.detail)
        : outcome.transcript
            .filter(({ role }) => role === "reply")
            .map(({ text }) => text)
            .join("\n"),
      usage: failed ? {} : outcome.usage,
      startedAt,
      durationMs: (yield* Clock.currentTimeMillis) - startedAt,
    })
  return { assignment, outcome }
})
