import type { Assignment } from "../domain/assignment.ts"
import type { Change, ChangeRequest, Operation } from "../domain/change-request.ts"
import { sha256Hex } from "../domain/hash.ts"
import type { RequestedChange } from "../domain/request.ts"
import { isExplicit, patchOperation } from "../domain/requested-change.ts"
import { fail, ok, type Result } from "../domain/result.ts"

/** Whether every file of the assignment comes with its exact change. */
export const isFullyExplicit = (assignment: Assignment, changes: readonly RequestedChange[]): boolean =>
  unexplained(assignment, changes).length === 0

const unexplained = (assignment: Assignment, changes: readonly RequestedChange[]): readonly string[] => {
  const explicit = new Set(changes.filter(isExplicit).map(({ path }) => path))
  const vague = new Set(changes.filter((change) => !isExplicit(change)).map(({ path }) => path))
  return assignment.file_targets.filter((path) => vague.has(path) || !explicit.has(path))
}

/**
 * The change request that explicit changes spell out, or the files that lack one. Nothing in it is invented: the bytes
 * are the request's. `existing` = paths the base has; where it is unknown, content without an operation is an update.
 */
export const stubAnswer = (
  assignment: Assignment,
  changes: readonly RequestedChange[],
  existing?: ReadonlySet<string>,
): Result<ChangeRequest, readonly string[]> => {
  const missing = unexplained(assignment, changes)
  if (missing.length > 0 || changes.length === 0) return fail(missing)
  return ok({
    schema_version: 1,
    task_id: assignment.task_id,
    agent: assignment.agent,
    ...(assignment.base_revision === null ? {} : { base_revision: assignment.base_revision }),
    metadata: assignment.metadata,
    changes: changes.map((change) => toChange(change, existing)),
    checks: [...assignment.checks],
    ...(assignment.depends_on.length === 0 ? {} : { depends_on: [...assignment.depends_on] }),
  })
}

const toChange = (change: RequestedChange, existing: ReadonlySet<string> | undefined): Change => {
  const { patch, path } = change
  const content = change.content ?? (patch === undefined ? "" : undefined)
  return {
    path,
    operation: change.operation ?? operationOf(change, existing),
    ...(patch === undefined ? {} : { patch }),
    ...(content === undefined ? {} : { content }),
    patch_hash: sha256Hex(patch ?? content ?? ""),
  }
}

const operationOf = (change: RequestedChange, existing: ReadonlySet<string> | undefined): Operation => {
  if (change.patch !== undefined) return patchOperation(change.patch) ?? "update"
  if (existing) return existing.has(change.path) ? "update" : "add"
  return change.ensure_exists === true ? "add" : "update"
}
