import * as Effect from "effect/Effect"
import type { Assignment } from "../domain/assignment.ts"
import { childEnv } from "../platform/child-env.ts"
import type { ProcessOutcome, ProcessRunnerShape } from "../platform/ProcessRunner.ts"
import { answerTo } from "./answer.ts"
import type { AgentContext, AgentReply } from "./contract.ts"
import { AgentError, classifyExit, tailOf } from "./failure.ts"
import { extractDocument, MAX_REPLY_BYTES } from "./reply.ts"

/** What the program reads on its standard input, as one JSON document. */
const questionOf = (assignment: Assignment, context: AgentContext, model: string): string =>
  JSON.stringify({
    schema_version: 1,
    assignment,
    requested_changes: context.changes ?? [],
    model,
    session: context.session ?? null,
    answer: {
      form: "exactly one JSON document on standard output; text around it is ignored",
      change_request: {
        task_id: assignment.task_id,
        agent: assignment.agent,
        metadata: { intent: assignment.metadata.intent },
        changes: [
          {
            path: "one of file_targets",
            operation: "add | update | delete",
            "patch | content": "a git-style diff of this one file | the whole new file",
            patch_hash: "SHA-256 in hex over the bytes of patch or content",
          },
        ],
        checks: ["guard ids"],
      },
    },
  })

/** Asks the policy's program once. Success is a parsed answer to this very task, never an exit code alone. */
export const askCommand = (
  runner: ProcessRunnerShape,
  env: Readonly<Record<string, string | undefined>>,
  assignment: Assignment,
  context: AgentContext,
  model: string,
): Effect.Effect<AgentReply, AgentError> => {
  const failure = (fields: Pick<AgentError, "reason" | "detail" | "transient"> & { excerpt?: string }) =>
    new AgentError({ harness: "command", taskId: assignment.task_id, ...fields })
  const [program, ...args] = context.policy.command ?? []
  if (!program)
    return Effect.fail(
      failure({
        reason: "unavailable",
        detail: "agent.command of the policy names no program",
        transient: false,
      }),
    )
  const question = questionOf(assignment, context, model)
  return runner
    .run({
      argv: [program, ...args],
      cwd: context.root,
      env: childEnv({
        source: env,
        allow: context.env ?? [],
        set: { HYPERION_TASK_ID: assignment.task_id, HYPERION_MODEL: model },
      }),
      stdin: question,
      timeoutMs: context.policy.timeout_seconds * 1_000,
      maxOutputBytes: 2 * MAX_REPLY_BYTES,
    })
    .pipe(
      Effect.mapError((error) => failure({ reason: "unavailable", detail: error.message, transient: false })),
      Effect.flatMap((outcome) => {
        const bad = outcomeProblem(outcome, context.policy.timeout_seconds)
        if (bad) return Effect.fail(failure(bad))
        const found = extractDocument(outcome.stdout)
        const answer = found.ok ? answerTo(found.value, assignment) : found
        if (!answer.ok)
          return Effect.fail(
            failure({
              reason: "reply_invalid",
              detail: typeof answer.error === "string" ? answer.error : answer.error.message,
              transient: false,
              excerpt: tailOf(outcome.stdout) || tailOf(outcome.stderr),
            }),
          )
        return Effect.succeed({
          change_request: answer.value,
          transcript: [
            { role: "prompt" as const, text: question },
            { role: "reply" as const, text: Buffer.from(outcome.stdout).toString("utf8") },
          ],
          durationMs: outcome.durationMs,
        })
      }),
    )
}

const outcomeProblem = (
  outcome: ProcessOutcome,
  timeoutSeconds: number,
): (Pick<AgentError, "reason" | "detail" | "transient"> & { readonly excerpt: string }) | null => {
  const stderr = tailOf(outcome.stderr)
  const excerpt = stderr || tailOf(outcome.stdout)
  if (outcome.timedOut)
    return { reason: "timeout", detail: `no answer within ${timeoutSeconds} s`, transient: true, excerpt }
  if (outcome.exitCode === null)
    return { reason: "unavailable", detail: `was killed by ${outcome.signal}`, transient: true, excerpt }
  if (outcome.exitCode !== 0) {
    const last = stderr.split("\n").at(-1)
    return {
      ...classifyExit(`${stderr}\n${tailOf(outcome.stdout)}`),
      detail: `exited with ${outcome.exitCode}${last ? `: ${last}` : ""}`,
      excerpt,
    }
  }
  return null
}
