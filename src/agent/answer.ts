import type { Assignment } from "../domain/assignment.ts"
import { canonicalJson } from "../domain/hash.ts"
import { fail, ok, type Result } from "../domain/result.ts"
import { quoted } from "../domain/violation.ts"

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value)

/**
 * An agent's document as the answer to its assignment. Task, agent, intent and complexity are the assignment's, its
 * checks are added, and approvals an agent claims stand beside those that were there, never in their place. What is
 * malformed stays for the validator to name. Fails with the reason when it answers another task.
 */
export const completeAnswer = (
  document: Readonly<Record<string, unknown>>,
  assignment: Assignment,
): Result<Readonly<Record<string, unknown>>, string> => {
  const answered = document["task_id"]
  if (answered !== undefined && answered !== assignment.task_id)
    return fail(
      `the answer is for ${typeof answered === "string" ? quoted(answered) : "no task"}, not for ${assignment.task_id}`,
    )
  const metadata = document["metadata"] ?? {}
  const given = assignment.metadata
  return ok({
    ...document,
    task_id: assignment.task_id,
    agent: assignment.agent,
    ...(document["base_revision"] === undefined && assignment.base_revision !== null
      ? { base_revision: assignment.base_revision }
      : {}),
    metadata: isRecord(metadata)
      ? {
          ...metadata,
          intent: given.intent,
          complexity: given.complexity,
          approvals: union(given.approvals, metadata["approvals"]),
        }
      : metadata,
    checks: union(assignment.checks, document["checks"]),
  })
}

const union = (first: readonly unknown[], second: unknown): unknown => {
  if (second === undefined) return [...first]
  if (!Array.isArray(second)) return second
  const seen = new Set(first.map(canonicalJson))
  return [...first, ...second.filter((item) => !seen.has(canonicalJson(item)))]
}
