import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import type { Assignment } from "../domain/assignment.ts"
import type { Policy } from "../domain/policy.ts"
import { quoted } from "../domain/violation.ts"
import { Operator } from "../platform/Operator.ts"
import { ProcessRunner, type ProcessRunnerShape } from "../platform/ProcessRunner.ts"
import { askCommand } from "./command.ts"
import type { AgentAnswer, AgentContext } from "./contract.ts"
import { AgentError } from "./failure.ts"
import { chooseModel } from "./model.ts"
import { isFullyExplicit, stubAnswer } from "./stub.ts"

type Harness = Policy["agent"]["harness"]

export interface AgentHarnessShape {
  /**
   * Asks the policy's agent (`HYPERION_AGENT` overrules it, a flag both) for an assignment. When it gives no answer and the request
   * spells every change out, the stub's answer comes instead, labelled; an invented one never.
   */
  readonly propose: (assignment: Assignment, context: AgentContext) => Effect.Effect<AgentAnswer, AgentError>
}

const HARNESSES: readonly Harness[] = ["stub", "command", "copilot", "claude", "codex", "acp"]

const fromStub = (
  assignment: Assignment,
  context: AgentContext,
  fallback: AgentError | null,
  attempts: number,
): Effect.Effect<AgentAnswer, AgentError> => {
  const answer = stubAnswer(assignment, context.changes ?? [], context.existing)
  if (!answer.ok)
    return Effect.fail(
      new AgentError({
        reason: "needs_model",
        harness: "stub",
        taskId: assignment.task_id,
        detail: `nobody said what to write into ${answer.error
          .slice(0, 3)
          .map((path) => quoted(path))
          .join(", ")}: give patch or content in the request, or set agent.harness`,
        transient: false,
      }),
    )
  return Effect.succeed({
    change_request: answer.value,
    transcript: [],
    usage: { attempts, duration_ms: 0, input_tokens: null, output_tokens: null },
    model: null,
    harness: "stub",
    fallback,
  })
}

/** Doubles from one second; transient failures only, `max_retries` times. */
const retryPolicy = (times: number) =>
  Schedule.intersect(Schedule.exponential("1 second"), Schedule.recurs(times)).pipe(
    Schedule.whileInput((error: AgentError) => error.transient),
  )

const fromCommand = (
  runner: ProcessRunnerShape,
  env: Readonly<Record<string, string | undefined>>,
  assignment: Assignment,
  context: AgentContext,
): Effect.Effect<AgentAnswer, AgentError> =>
  Effect.suspend(() => {
    const { model } = chooseModel({ flag: context.model, metadata: assignment.metadata }, context.policy)
    let attempts = 0
    const ask = Effect.suspend(() => {
      attempts++
      return askCommand(runner, env, assignment, context, model)
    })
    return ask.pipe(
      Effect.retry(retryPolicy(context.policy.max_retries)),
      Effect.map(
        ({ durationMs, ...reply }): AgentAnswer => ({
          ...reply,
          usage: { attempts, duration_ms: durationMs, input_tokens: null, output_tokens: null },
          model,
          harness: "command",
          fallback: null,
        }),
      ),
      Effect.catchAll((error) => orStub(assignment, context, error, attempts)),
    )
  })

/** An agent that left its bounds is never glossed over; any other failure is, where nothing has to be invented. */
const orStub = (
  assignment: Assignment,
  context: AgentContext,
  error: AgentError,
  attempts: number,
): Effect.Effect<AgentAnswer, AgentError> =>
  error.reason !== "escaped" && isFullyExplicit(assignment, context.changes ?? [])
    ? fromStub(assignment, context, error, attempts)
    : Effect.fail(error)

const make = Effect.gen(function* () {
  const runner = yield* ProcessRunner
  const { env } = yield* Operator
  const propose: AgentHarnessShape["propose"] = Effect.fn("AgentHarness.propose")(function* (
    assignment: Assignment,
    context: AgentContext,
  ) {
    const asked = context.harness ?? (env["HYPERION_AGENT"] || context.policy.harness)
    const harness = HARNESSES.find((name) => name === asked)
    const unavailable = (detail: string) =>
      new AgentError({
        reason: "unavailable",
        harness: harness ?? "unknown",
        taskId: assignment.task_id,
        detail,
        transient: false,
      })
    if (!harness)
      return yield* unavailable(`there is no agent ${quoted(asked)}; it can be ${HARNESSES.join(", ")}`)
    if (harness === "stub") return yield* fromStub(assignment, context, null, 0)
    if (harness === "command") return yield* fromCommand(runner, env, assignment, context)
    return yield* orStub(assignment, context, unavailable("comes in a later version"), 0)
  })
  return { propose }
})

/** Asks coding agents for change requests. What they answer is a claim until the validator has seen it. */
export class AgentHarness extends Context.Tag("hyperion/agent/AgentHarness")<
  AgentHarness,
  AgentHarnessShape
>() {
  static readonly layer: Layer.Layer<AgentHarness, never, ProcessRunner | Operator> = Layer.effect(
    AgentHarness,
    make,
  )
}
