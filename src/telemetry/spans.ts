import { sha256Hex } from "../domain/hash.ts"

export type SpanKind = "internal" | "server" | "client" | "producer" | "consumer"

/** Ids, counts, names from the policy and stable codes: never content, prompts, paths or anybody's words. */
export type Attributes = Readonly<Record<string, string | number | boolean | null | undefined>>

/** What a child names as its parent. 32 and 16 hex digits. */
export interface SpanContext {
  readonly traceId: string
  readonly spanId: string
}

/** Epoch nanoseconds. */
export interface Timespan {
  readonly startNs: bigint
  readonly endNs: bigint
}

/** One step of a request's way, done. */
export interface Span extends SpanContext, Timespan {
  readonly parentId: string | null
  readonly name: string
  readonly kind: SpanKind
  readonly attributes: Attributes
  /** A stable code when the step did not do what it was for. */
  readonly error: string | null
}

/**
 * The steps of a request are made by processes that know nothing of each other, so its trace is named by what all of
 * them know: the request, which every cast and entry carries.
 */
export const traceIdOf = (requestId: string): string => sha256Hex(`hyperion/trace/${requestId}`).slice(0, 32)

const spanIdOf = (...parts: readonly (string | number | bigint)[]): string =>
  sha256Hex(`hyperion/span/${JSON.stringify(parts.map(String))}`).slice(0, 16)

/** The run of one `request` command, begun at `startNs`. */
export const requestContext = (requestId: string, startNs: bigint): SpanContext => ({
  traceId: traceIdOf(requestId),
  spanId: spanIdOf("request", requestId, startNs),
})

/** What a cast or entry is known by. */
export interface Sent {
  readonly request_id: string
  readonly task_id: string
  readonly cast_id: string
}

/** Its way into the queue: the parent of all that workers and approvers do about it, in whichever process. */
export const sendContext = ({ request_id, cast_id }: Sent): SpanContext => ({
  traceId: traceIdOf(request_id),
  spanId: spanIdOf("send", cast_id),
})

/** A worker's lease of an entry; the fencing token tells it from the others. */
export interface Attempt {
  readonly cast: Sent
  readonly entryId: number
  readonly token: number
  readonly attempt: number
}

export const attemptContext = ({ cast, token }: Pick<Attempt, "cast" | "token">): SpanContext => ({
  traceId: traceIdOf(cast.request_id),
  spanId: spanIdOf("process", cast.cast_id, token),
})

const under = (
  parent: SpanContext,
  time: Timespan,
  span: Pick<Span, "name" | "kind" | "attributes"> & { readonly error?: string | null },
  /** Tells steps of one name apart that go on side by side. */
  seed = "",
): Span => ({
  traceId: parent.traceId,
  spanId: spanIdOf(parent.spanId, span.name, seed, time.startNs),
  parentId: parent.spanId,
  ...time,
  error: null,
  ...span,
})

const own = (
  context: SpanContext,
  parent: SpanContext | null,
  time: Timespan,
  span: Pick<Span, "name" | "kind" | "attributes"> & { readonly error?: string | null },
): Span => ({ ...context, parentId: parent?.spanId ?? null, ...time, error: null, ...span })

const DESTINATION = "queue"

const messaging = (operation: "send" | "receive" | "process", cast: Sent | null): Attributes => ({
  "messaging.system": "hyperion",
  "messaging.destination.name": DESTINATION,
  "messaging.operation.name": operation,
  "messaging.operation.type": operation,
  ...(cast && { "messaging.message.id": cast.cast_id || null, "hyperion.task.id": cast.task_id }),
})

// ---- a request's way into the queue

export const requestSpan = (
  context: SpanContext,
  time: Timespan,
  about: { readonly requestId: string; readonly assignments: number; readonly error: string | null },
): Span =>
  own(context, null, time, {
    name: "request",
    kind: "internal",
    attributes: { "hyperion.request.id": about.requestId, "hyperion.assignments": about.assignments },
    error: about.error,
  })

export const clarifySpan = (
  parent: SpanContext,
  time: Timespan,
  about: { readonly kind: string; readonly priority: number; readonly questions: number },
): Span =>
  under(parent, time, {
    name: "clarify",
    kind: "internal",
    attributes: {
      "hyperion.request.kind": about.kind,
      "hyperion.request.priority": about.priority,
      "hyperion.questions": about.questions,
    },
  })

export const splitSpan = (parent: SpanContext, time: Timespan, assignments: number): Span =>
  under(parent, time, {
    name: "split",
    kind: "internal",
    attributes: { "hyperion.assignments": assignments },
  })

export const agentSpan = (
  parent: SpanContext,
  time: Timespan,
  about: {
    readonly taskId: string
    readonly agent: string
    readonly harness: string
    readonly model: string | null
    readonly attempts: number | null
    readonly inputTokens: number | null
    readonly outputTokens: number | null
    readonly fallback: string | null
    readonly error: string | null
  },
): Span =>
  under(
    parent,
    time,
    {
      name: `invoke_agent ${about.agent}`,
      kind: "client",
      attributes: {
        "gen_ai.operation.name": "invoke_agent",
        "gen_ai.provider.name": about.harness,
        "gen_ai.agent.name": about.agent,
        "gen_ai.request.model": about.model,
        "gen_ai.usage.input_tokens": about.inputTokens,
        "gen_ai.usage.output_tokens": about.outputTokens,
        "hyperion.task.id": about.taskId,
        "hyperion.agent.attempts": about.attempts,
        "hyperion.agent.fallback": about.fallback,
      },
      error: about.error,
    },
    about.taskId,
  )

export const sendSpan = (
  parent: SpanContext | null,
  time: Timespan,
  about: {
    readonly cast: Sent
    readonly entryId: number | null
    readonly outcome: string
    readonly error: string | null
  },
): Span => {
  const context = sendContext(about.cast)
  return own(
    // Only what was queued has followers; a duplicate's cast may have been sent before.
    about.outcome === "queued"
      ? context
      : { ...context, spanId: spanIdOf(context.spanId, about.outcome, time.startNs) },
    parent,
    time,
    {
      name: `send ${DESTINATION}`,
      kind: "producer",
      attributes: {
        ...messaging("send", about.cast),
        "hyperion.request.id": about.cast.request_id,
        "hyperion.entry.id": about.entryId,
        "hyperion.outcome": about.outcome,
      },
      error: about.error,
    },
  )
}

export const validateSpan = (parent: SpanContext, time: Timespan, error: string | null): Span =>
  under(parent, time, { name: "validate", kind: "internal", attributes: {}, error })

// ---- a worker's attempt

export const processSpan = (
  attempt: Attempt,
  time: Timespan,
  about: { readonly worker: string; readonly outcome: string; readonly error: string | null },
): Span =>
  own(attemptContext(attempt), sendContext(attempt.cast), time, {
    name: `process ${DESTINATION}`,
    kind: "consumer",
    attributes: {
      ...messaging("process", attempt.cast),
      "messaging.client.id": about.worker,
      "hyperion.request.id": attempt.cast.request_id,
      "hyperion.entry.id": attempt.entryId,
      "hyperion.attempt": attempt.attempt,
      "hyperion.outcome": about.outcome,
    },
    error: about.error,
  })

export const receiveSpan = (attempt: Attempt, time: Timespan, leases: number): Span =>
  under(attemptContext(attempt), time, {
    name: `receive ${DESTINATION}`,
    kind: "client",
    attributes: { ...messaging("receive", attempt.cast), "messaging.batch.message_count": leases },
  })

export const computeSpan = (parent: SpanContext, time: Timespan, paths: number): Span =>
  under(parent, time, { name: "compute", kind: "internal", attributes: { "hyperion.paths": paths } })

export const candidateSpan = (parent: SpanContext, time: Timespan, error: string | null): Span =>
  under(parent, time, { name: "candidate", kind: "internal", attributes: {}, error })

const PIPELINE = "guards"

/**
 * One run of the guards on a tree, in the trace of each entry it proves. What the run consists of is in the first one's;
 * the others name it by its id. `result` is the convention's word: success, failure, error, timeout.
 */
export const guardsSpans = (
  parents: readonly SpanContext[],
  tree: string,
  time: Timespan,
  about: { readonly result: string; readonly error: string | null },
): readonly Span[] =>
  parents.map((parent, index) =>
    own(guardsContext(parent, tree), parent, time, {
      name: `RUN ${PIPELINE}`,
      kind: "server",
      attributes: {
        "cicd.pipeline.name": PIPELINE,
        "cicd.pipeline.action.name": "RUN",
        "cicd.pipeline.run.id": guardsContext(parents[0]!, tree).spanId,
        "cicd.pipeline.result": about.result,
        "hyperion.guards.entries": parents.length,
        ...(index > 0 && { "hyperion.guards.shared": true }),
      },
      error: about.error,
    }),
  )

/** An attempt may be part of several runs, each on another tree. */
export const guardsContext = (parent: SpanContext, tree: string): SpanContext => ({
  traceId: parent.traceId,
  spanId: spanIdOf("guards", parent.spanId, tree),
})

export const guardSpan = (
  parent: SpanContext,
  time: Timespan,
  about: {
    readonly guard: string
    readonly result: string
    readonly exitCode: number | null
    readonly sandbox: string | null
    readonly runs: number
    readonly remembered: boolean
    readonly error: string | null
  },
): Span => {
  const span = under(parent, time, {
    name: about.guard,
    kind: "internal",
    attributes: {
      "cicd.pipeline.name": PIPELINE,
      "cicd.pipeline.task.name": about.guard,
      "cicd.pipeline.task.run.result": about.result,
      "process.exit.code": about.exitCode,
      "hyperion.guard.sandbox": about.sandbox,
      "hyperion.guard.runs": about.runs,
      "hyperion.guard.remembered": about.remembered,
    },
    error: about.error,
  })
  return { ...span, attributes: { ...span.attributes, "cicd.pipeline.task.run.id": span.spanId } }
}

// ---- a person's, and the landing

export const approvalSpan = (
  cast: Sent,
  time: Timespan,
  about: {
    readonly entryId: number
    readonly presence: string
    readonly binds: string
    readonly error: string | null
  },
): Span =>
  under(
    sendContext(cast),
    time,
    {
      name: "approval",
      kind: "internal",
      attributes: {
        "hyperion.task.id": cast.task_id,
        "hyperion.entry.id": about.entryId,
        "hyperion.approval.presence": about.presence,
        "hyperion.approval.binds": about.binds,
      },
      error: about.error,
    },
    String(time.endNs),
  )

export const landSpan = (
  parent: SpanContext,
  time: Timespan,
  about: {
    readonly entryId: number
    readonly branch: string | null
    readonly base: string | null
    readonly commit: string | null
    readonly chain: number
    readonly outcome: string
    readonly error: string | null
  },
): Span =>
  under(parent, time, {
    name: "land",
    kind: "internal",
    attributes: {
      "vcs.change.id": String(about.entryId),
      "vcs.change.state": about.outcome === "landed" ? "merged" : "open",
      "vcs.ref.base.name": about.branch,
      "vcs.ref.base.type": about.branch === null ? null : "branch",
      "vcs.ref.base.revision": about.base,
      "vcs.ref.head.revision": about.commit,
      "hyperion.entry.id": about.entryId,
      "hyperion.outcome": about.outcome,
      "messaging.batch.message_count": about.chain,
    },
    error: about.error,
  })
