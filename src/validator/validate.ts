import * as v from "valibot"
import type { Assignment } from "../domain/assignment.ts"
import { Change, ChangeRequest, payloadBytes, type ValidatedChangeRequest } from "../domain/change-request.ts"
import { completeAnswer, isRecord } from "../domain/complete-answer.ts"
import { parseDocument } from "../domain/parse-document.ts"
import type { Policy } from "../domain/policy.ts"
import { fail, ok, type Result } from "../domain/result.ts"
import type { Violation } from "../domain/violation.ts"
import type { ChangeAt, CheckPatch, Rule, RuleContext } from "./rule.ts"
import { checksAllowed } from "./rules/checks-allowed.ts"
import { duplicatePaths } from "./rules/duplicate-paths.ts"
import { fileTargets } from "./rules/file-targets.ts"
import { limits } from "./rules/limits.ts"
import { patchAlignment } from "./rules/patch-alignment.ts"
import { patchHash } from "./rules/patch-hash.ts"
import { pathSafety } from "./rules/path-safety.ts"
import { payload } from "./rules/payload.ts"
import { provenance } from "./rules/provenance.ts"
import { selfApproval } from "./rules/self-approval.ts"
import { taskKnown } from "./rules/task-known.ts"
import { version } from "./rules/version.ts"

export interface ValidationInput {
  /** A change request as the strict reader returned it. */
  readonly document: unknown
  /** The policy of the base, never of the change. */
  readonly policy: Policy
  /** `policy.tasks`, or the door's own default where it says nothing: `known` for agents, `open` for people. */
  readonly tasks: "known" | "open"
  /** The assignment of its `task_id`; `null` when there is none. */
  readonly assignment: Assignment | null
}

/** Every rule but the schema's, in the order their findings are told. */
export const RULES: readonly Rule[] = [
  version,
  taskKnown,
  provenance,
  limits,
  pathSafety,
  duplicatePaths,
  fileTargets,
  payload,
  patchHash,
  patchAlignment,
  checksAllowed,
  selfApproval,
]

/**
 * Judges a change request by every rule and returns all violations at once, or the one kind of change request that can
 * be wrapped into a cast. Pure: same input, same answer. A change past `limits.max_changes` is counted, not examined.
 */
export const validateChangeRequest = (
  input: ValidationInput,
  checkPatch: CheckPatch,
): Result<ValidatedChangeRequest, readonly Violation[]> => {
  const { assignment, policy, tasks } = input
  const document =
    assignment && isRecord(input.document) ? completeAnswer(input.document, assignment) : input.document
  const parsed = parseDocument(ChangeRequest, document)
  const entries: Record<string, unknown> = isRecord(document) ? document : {}
  const listed = Array.isArray(entries["changes"]) ? entries["changes"] : []
  const context: RuleContext = {
    document,
    fields: parsed.ok ? parsed.value : wellFormedFields(entries),
    changes: wellFormedChanges(listed.slice(0, policy.limits.max_changes)),
    changeCount: listed.length,
    policy,
    tasks,
    assignment,
    checkPatch,
  }
  const found = RULES.flatMap((rule) => rule(context))
  const named = new Set(found.map((violation) => violation.path))
  const violations = parsed.ok
    ? found
    : // A rule that names the same field says it better than the schema.
      [...parsed.error.filter((violation) => !named.has(violation.path)), ...found]
  return parsed.ok && violations.length === 0 ? ok(parsed.value as ValidatedChangeRequest) : fail(violations)
}

/** Each field on its own, so that one malformed field does not hide what is wrong with the others. */
const wellFormedFields = (document: Record<string, unknown>): Partial<ChangeRequest> => {
  const fields: Record<string, unknown> = {}
  for (const [key, schema] of Object.entries(ChangeRequest.entries)) {
    if (key === "changes" || !Object.hasOwn(document, key)) continue
    const parsed = v.safeParse(schema, document[key], { abortEarly: true })
    if (parsed.success) fields[key] = parsed.output
  }
  return fields
}

const wellFormedChanges = (listed: readonly unknown[]): readonly ChangeAt[] =>
  listed.flatMap((item, index) => {
    const parsed = v.safeParse(Change, item, { abortEarly: true })
    if (!parsed.success) return []
    return [{ at: `changes[${index}]`, change: parsed.output, payload: payloadBytes(parsed.output) }]
  })
