import type { Assignment } from "./assignment.ts"
import { canonicalJson } from "./hash.ts"

/** A JSON object, of whatever keys. */
export type JsonRecord = Readonly<Record<string, unknown>>

export const isRecord = (value: unknown): value is JsonRecord =>
  typeof value === "object" && value !== null && !Array.isArray(value)

/**
 * The answer to a known task, completed from its assignment: intent, complexity and anchors are the assignment's, its
 * checks and dependencies are added, and what the agent claims as approvals stands beside what was there, never in its
 * place. Anything malformed is left for the validator to name.
 */
export const completeAnswer = (document: JsonRecord, assignment: Assignment): JsonRecord => {
  const metadata = document["metadata"] ?? {}
  const given = assignment.metadata
  return {
    ...document,
    metadata: isRecord(metadata)
      ? {
          ...metadata,
          intent: given.intent,
          complexity: given.complexity,
          telemetry_anchors: given.telemetry_anchors,
          approvals: union(given.approvals, metadata["approvals"]),
        }
      : metadata,
    checks: union(assignment.checks, document["checks"]),
    ...(assignment.depends_on.length > 0 || document["depends_on"] !== undefined
      ? { depends_on: union(assignment.depends_on, document["depends_on"]) }
      : {}),
  }
}

const union = (first: readonly unknown[], second: unknown): unknown => {
  if (second === undefined) return [...first]
  if (!Array.isArray(second)) return second
  const seen = new Set(first.map(canonicalJson))
  return [...first, ...second.filter((item) => !seen.has(canonicalJson(item)))]
}
