import * as Effect from "effect/Effect"
import { runtimeLayer } from "../../app-runtime.ts"
import type { Assignment } from "../../domain/assignment.ts"
import { counted } from "../../domain/words.ts"
import { readAll } from "../../operations/read-documents.ts"
import { reportRun } from "../../operations/report-files.ts"
import { type Answered, type Plan, planRequest, runRequest } from "../../operations/request.ts"
import { openLines } from "../../platform/line-file.ts"
import type { OutputWriter } from "../../platform/stdio.ts"
import { type Piece, styled } from "../../platform/Terminal.ts"
import { Exit, type ExitCode } from "../exit-codes.ts"
import type { CommandContext } from "../run.ts"
import { runWith } from "../run-program.ts"

export interface RequestArgs {
  readonly file: string
  readonly dryRun: boolean
  readonly agent: string | undefined
  readonly model: string | undefined
  readonly agents: number | undefined
}

/** A request's way, one line a stage, so that a person can follow it. */
export const request = (context: CommandContext<RequestArgs>) =>
  runWith(
    context,
    runtimeLayer,
    Effect.gen(function* () {
      const { args, output } = context
      const say = (text: readonly Piece[]) => {
        if (output.format === "text") output.data(text)
      }
      const documents = yield* readAll([args.file])
      const { plan, answered } = yield* runRequest(
        documents,
        { agents: args.agents, harness: args.agent, model: args.model, dryRun: args.dryRun },
        {
          planned: (planned) => {
            for (const warning of planned.warnings) output.note([styled("yellow", "warning:"), ` ${warning}`])
            for (const text of planText(planned)) say(text)
          },
          answered: (assignment, outcome) =>
            say(
              "_tag" in outcome
                ? stage("agent", styled("red", "failed"), ` ${outcome.message}`)
                : stage(
                    "agent",
                    `${assignment.agent} answered ${assignment.task_id} (${outcome.harness}${outcome.model ? `, ${outcome.model}` : ""})`,
                    outcome.fallback
                      ? styled(
                          "yellow",
                          ` instead of ${outcome.fallback.harness}: ${outcome.fallback.detail}`,
                        )
                      : "",
                  ),
            ),
        },
      )
      if (!args.dryRun) yield* reportRun(plan.clarification.request.request_id)
      for (const one of answered) for (const text of queuedText(one)) say(text)
      if (output.format === "json") output.json({ schema_version: 1, ...json(plan, answered) })
      if (output.format === "jsonl") for (const one of answered) output.jsonl(answerJson(one))
      const queued = answered.filter(({ submission }) => submission?.outcome === "queued").length
      const word = args.dryRun ? "Would process" : "Processed"
      if (output.format === "text")
        output.data(
          `${word} request ${plan.clarification.request.request_id} and enqueued ${queued} change request(s)`,
        )
      if (answered.some(({ submission }) => submission?.outcome === "rejected")) return Exit.rejected
      const silent = answered.filter(({ error }) => error !== null)
      if (silent.length === 0) return Exit.ok as ExitCode
      const { error } = silent[0]!
      return output.error(
        {
          code: `agent_${error!.reason}`,
          message: `${silent.length} of ${counted(answered.length, "assignment")} got no answer: ${error!.message}`,
          hint: "give patch or content in the request, or set agent.harness in hyperion.json, and run it again: what is queued stays",
          retryable: error!.transient,
        },
        Exit.failed,
      ) as ExitCode
    }),
  )

const stage = (name: string, ...text: Piece[]): readonly Piece[] => [styled("cyan", name.padEnd(13)), ...text]

const planText = ({ clarification, assignments }: Plan): readonly (readonly Piece[])[] => {
  const { request: clarified, reasons } = clarification
  const why = (field: string) => reasons.find((reason) => reason.field === field)?.why ?? ""
  return [
    stage("request", styled("bold", clarified.request_id), ` ${clarified.summary}`),
    stage(
      "engineer",
      `${clarified.kind} (${why("kind")}), priority ${clarified.priority} (${why("priority")})`,
    ),
    ...clarified.acceptance_criteria.map((criterion) => stage("", `accept: ${criterion}`)),
    stage("orchestrator", counted(assignments.length, "assignment")),
    ...assignments.map((assignment) => stage("", assignmentText(assignment))),
  ]
}

const assignmentText = ({ task_id, agent, file_targets, depends_on }: Assignment): string =>
  `${task_id} for ${agent}: ${file_targets.join(", ")}${depends_on.length > 0 ? ` (after ${depends_on.join(", ")})` : ""}`

const queuedText = ({ assignment, submission }: Answered): readonly (readonly Piece[])[] => {
  if (submission === null) return []
  if (submission.outcome === "rejected")
    return submission.violations.map(({ code, path, message, hint }) =>
      stage(
        "validator",
        styled("red", "rejected"),
        ` ${assignment.task_id}: ${path === "" ? "" : `${path}: `}${message} [${code}]; hint: ${hint}`,
      ),
    )
  const valid = stage("validator", styled("green", "ok"), ` ${assignment.task_id}: ${submission.cast_id}`)
  switch (submission.outcome) {
    case "valid":
      return [valid]
    case "duplicate":
      return [valid, stage("queue", styled("yellow", "duplicate"), ` of entry ${submission.entry_id}`)]
    default:
      return [valid, stage("queue", `entry ${submission.entry_id}`)]
  }
}

const answerJson = ({ assignment, answer, error, submission }: Answered) => ({
  task_id: assignment.task_id,
  agent: assignment.agent,
  harness: answer?.harness ?? null,
  model: answer?.model ?? null,
  fallback: answer?.fallback?.message ?? null,
  error: error && { reason: error.reason, message: error.message },
  submission,
})

const json = ({ clarification, warnings, assignments }: Plan, answered: readonly Answered[]) => ({
  request_id: clarification.request.request_id,
  kind: clarification.request.kind,
  priority: clarification.request.priority,
  acceptance_criteria: clarification.request.acceptance_criteria,
  reasons: clarification.reasons,
  warnings,
  assignments,
  answers: answered.map(answerJson),
})

/** Shows the split; stores nothing. */
export const orchestrate = (
  context: CommandContext<{ readonly file: string; readonly out: string | undefined }>,
) =>
  runWith(
    context,
    runtimeLayer,
    Effect.gen(function* () {
      const { args, output } = context
      const plan = yield* planRequest(yield* readAll([args.file]), undefined)
      const { clarification, assignments, warnings } = plan
      for (const warning of warnings) output.note([styled("yellow", "warning:"), ` ${warning}`])
      const { questions } = clarification
      const document = {
        schema_version: 1,
        request_id: clarification.request.request_id,
        assignments,
        ...(questions.length > 0 && { questions }),
      }
      if (args.out !== undefined) {
        const write = yield* openLines(args.out)
        yield* write(JSON.stringify(document, null, 2))
      }
      if (output.format === "json") output.json(document)
      else if (output.format === "jsonl") for (const assignment of assignments) output.jsonl(assignment)
      else tellPlan(output, plan)
      if (questions.length === 0) return Exit.ok
      return output.error(
        {
          code: "needs_clarification",
          message: `${counted(questions.length, "question")} to answer first`,
          hint: "answer in the request's context or changes, then run it again",
        },
        Exit.usage,
      ) as ExitCode
    }),
  )

const tellPlan = (output: OutputWriter, plan: Plan): void => {
  for (const text of planText(plan)) output.data(text)
  for (const { question, about } of plan.clarification.questions)
    output.data(stage("question", styled("yellow", question), about === "" ? "" : ` (${about})`))
}
