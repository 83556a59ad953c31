import * as Exit from "effect/Exit"
import type { AgentAnswer } from "../agent/contract.ts"
import type { AgentError } from "../agent/failure.ts"
import type { Assignment } from "../domain/assignment.ts"
import { errorOf } from "../telemetry/Exporter.ts"
import {
  agentSpan,
  clarifySpan,
  requestContext,
  requestSpan,
  type Span,
  type SpanContext,
  splitSpan,
  type Timespan,
} from "../telemetry/spans.ts"
import type { Plan } from "./request.ts"

/** The span that everything of one run of a request hangs on. */
export const contextOf = ({ clarification, times }: Plan): SpanContext =>
  requestContext(clarification.request.request_id, times.begun)

/** A request's own span and its two first steps. `error`: why it did not get into the queue. */
export const requestSpans = (plan: Plan, error: string | null, endNs: bigint): readonly Span[] => {
  const { request, questions } = plan.clarification
  const { begun, read, clarified, split } = plan.times
  const context = contextOf(plan)
  const assignments = plan.assignments.length
  return [
    requestSpan(context, { startNs: begun, endNs }, { requestId: request.request_id, assignments, error }),
    clarifySpan(
      context,
      { startNs: read, endNs: clarified },
      { kind: request.kind, priority: request.priority, questions: questions.length },
    ),
    ...(questions.length > 0 ? [] : [splitSpan(context, { startNs: clarified, endNs: split }, assignments)]),
  ]
}

/** What an agent took to answer, or to fail. */
export const askedSpan = (
  parent: SpanContext,
  { task_id, agent }: Assignment,
  exit: Exit.Exit<AgentAnswer | AgentError, { readonly _tag: string }>,
  time: Timespan,
): Span => {
  const outcome = Exit.isSuccess(exit) ? exit.value : null
  const failed = outcome === null || "_tag" in outcome ? outcome : null
  const answer = outcome === null || "_tag" in outcome ? null : outcome
  return agentSpan(parent, time, {
    taskId: task_id,
    agent,
    harness: answer?.harness ?? failed?.harness ?? "unknown",
    model: answer?.model ?? null,
    attempts: answer?.usage.attempts ?? null,
    inputTokens: answer?.usage.input_tokens ?? null,
    outputTokens: answer?.usage.output_tokens ?? null,
    fallback: answer?.fallback?.reason ?? null,
    error: failed?.reason ?? errorOf(exit),
  })
}
