import type { RequestKind, TaskRequest } from "../domain/request.ts"
import { quoted } from "../domain/violation.ts"
import { classify, prioritise, type Reason } from "./classify.ts"
import { type Question, questionsOf } from "./questions.ts"

export type ClarifiedRequest = TaskRequest & {
  readonly kind: RequestKind
  readonly acceptance_criteria: string[]
}

export interface Clarification {
  readonly request: ClarifiedRequest
  /** One for each of kind, acceptance criteria and priority. */
  readonly reasons: readonly Reason[]
  /** Not empty: the request waits as `needs_clarification`. */
  readonly questions: readonly Question[]
}

/**
 * Fills in what a request leaves open, by rules alone: the same request gives the same answer. What it states always
 * stays. `document` is the request as it was written: the schema fills in a priority that nobody stated.
 */
export const clarify = (
  request: TaskRequest,
  document: Readonly<Record<string, unknown>> = request,
): Clarification => {
  const { kind, why } = classify(request)
  const stated = request.acceptance_criteria ?? []
  const criteria = stated.length > 0 ? stated : criteriaOf(request)
  const explicit = document["priority"] !== undefined
  const chosen = explicit
    ? { priority: request.priority, why: "stated in the request" }
    : prioritise(request, kind)
  return {
    request: { ...request, kind, acceptance_criteria: criteria, priority: chosen.priority },
    reasons: [
      { field: "kind", value: kind, why },
      {
        field: "acceptance_criteria",
        value: criteria,
        why: stated.length > 0 ? "stated in the request" : "from its files and checks",
      },
      { field: "priority", value: chosen.priority, why: chosen.why },
    ],
    questions: questionsOf(request),
  }
}

/** What can be seen from outside when the work is done: files, then checks. Each once. */
const criteriaOf = (request: TaskRequest): string[] => {
  const last = new Map(request.requested_changes.map((change) => [change.path, change]))
  const files = [...last.values()].map(({ path, operation, ensure_exists, summary }) => {
    if (operation === "delete") return `${quoted(path)} no longer exists`
    if (operation === "add" || ensure_exists === true) return `${quoted(path)} exists: ${summary}`
    return `${quoted(path)} is changed: ${summary}`
  })
  const checks = request.requested_changes.flatMap((change) => change.checks ?? [])
  return [
    ...files,
    ...[...new Set(checks)].map((check) => `the check ${quoted(check)} passes`),
    "no file outside the requested ones changes",
  ]
}
