import * as v from "valibot"
import { type Assignment, DEFAULT_INSTRUCTIONS } from "../domain/assignment.ts"
import { AssignmentMetadata } from "../domain/change-request.ts"
import { TaskId } from "../domain/ids.ts"
import { parseDocument } from "../domain/parse-document.ts"
import type { Policy } from "../domain/policy.ts"
import type { RequestedChange, RequestKind, TaskRequest } from "../domain/request.ts"
import { isExplicit } from "../domain/requested-change.ts"
import { fail, ok, type Result } from "../domain/result.ts"
import { quoted, type Violation } from "../domain/violation.ts"
import { capacityProblems, estimateComplexity, groupBytes } from "./capacity.ts"
import { inPhaseOrder, internalDependencies, phaseProblems, type ResolveDependency } from "./order.ts"
import { type Group, groupByFile, makeGroup, overlaps } from "./ownership.ts"

/** A request whose kind and acceptance criteria are settled. */
export type SplitRequest = TaskRequest & {
  readonly kind: RequestKind
  readonly acceptance_criteria: readonly string[]
}

export interface SplitOptions {
  readonly policy: Pick<Policy, "orchestrator" | "paths">
  readonly baseRevision: string | null
  /** Names the assignments go to in turn, at least one. */
  readonly agents: readonly [string, ...string[]]
  /** Sizes of files of the base, where they are known: they count as context. */
  readonly fileBytes?: ReadonlyMap<string, number>
  /** Default: a name that has the form of a task id is one. */
  readonly resolve?: ResolveDependency
}

/** As many dependencies as a change request may name. */
const MAX_TASKS = 1_000

/** `developer-1` … `developer-N`. */
export const developerNames = (count: number): readonly [string, ...string[]] => [
  "developer-1",
  ...Array.from({ length: Math.max(0, count - 1) }, (_, index) => `developer-${index + 2}`),
]

/** The requested changes an assignment was made of; nobody else's, because files have one owner. */
export const changesOf = (
  request: Pick<TaskRequest, "requested_changes">,
  assignment: Pick<Assignment, "file_targets">,
): readonly RequestedChange[] => {
  const own = new Set(assignment.file_targets)
  return request.requested_changes.filter(({ path }) => own.has(path))
}

/**
 * One assignment a requested change, each file with one owner, or everything that is wrong. `together` is a single
 * assignment, because only what one change request holds lands as one tree; `in_order` is a chain. An assignment
 * depends only on assignments before it. Pure: same request and options, same assignments.
 */
export const split = (
  request: SplitRequest,
  options: SplitOptions,
): Result<readonly Assignment[], readonly Violation[]> => {
  const { policy } = options
  const fileBytes = options.fileBytes ?? new Map<string, number>()
  const together = request.landing === "together"
  const groups = together
    ? [makeGroup(request.requested_changes)]
    : inPhaseOrder(groupByFile(request.requested_changes, policy.paths), request)
  if (groups.length > MAX_TASKS) return fail([tooMany(groups.length)])
  const nameOf = (index: number): string => `${request.request_id}-${index + 1}`
  const external = externalDependencies(
    request,
    groups.map((_, index) => nameOf(index)),
    options.resolve,
  )
  const metadata = groups.map((group) => metadataOf(request, group, fileBytes))
  const problems = [
    ...nameProblems(nameOf(groups.length - 1)),
    ...phaseProblems(request),
    ...(together ? phasesTogether(request) : []),
    ...overlaps(groups, policy.paths, nameOf),
    ...groups.flatMap((group, index) =>
      capacityProblems(group, nameOf(index), request, fileBytes, policy.orchestrator),
    ),
    ...(external.ok ? [] : external.error),
    ...(metadata.find((result) => !result.ok)?.error ?? []),
  ]
  if (problems.length > 0 || !external.ok) return fail(problems)
  const needs = internalDependencies(groups, request)
  const criteria = readCriteria(request)
  return ok(
    groups.map((group, index) => {
      const within = needs[index]!.map((before) => nameOf(before) as TaskId)
      return {
        schema_version: 1,
        task_id: nameOf(index) as TaskId,
        parent_request_id: request.request_id,
        summary: summaryOf(request, group),
        kind: request.kind,
        priority: request.priority,
        file_targets: [...group.paths],
        instructions: instructionsOf(request, group),
        acceptance_criteria: criteriaFor(group, criteria),
        checks: [...new Set(group.changes.flatMap((change) => change.checks ?? []))],
        depends_on: within.length > 0 ? within : [...external.value],
        metadata: settled(metadata[index]!),
        ...(group.phaseId === null ? {} : { phase_id: group.phaseId }),
        blocking_on_failure: group.changes.some((change) => change.blocking_on_failure === true),
        limits: {
          max_files: policy.orchestrator.max_files,
          max_context_tokens: policy.orchestrator.max_context_tokens,
        },
        base_revision: options.baseRevision,
        agent: options.agents[index % options.agents.length]!,
      }
    }),
  )
}

const settled = <T>(result: Result<T, unknown>): T => (result as { readonly value: T }).value

const tooMany = (count: number): Violation => ({
  code: "too_many_tasks",
  path: "requested_changes",
  message: `would be ${count} assignments; the limit of a request is ${MAX_TASKS}`,
  hint: "split the request",
})

const nameProblems = (longest: string): readonly Violation[] =>
  v.is(TaskId, longest)
    ? []
    : [
        {
          code: "request_id_too_long",
          path: "request_id",
          message: `leaves no room for the number of a task: ${quoted(longest)} is longer than 128 characters`,
          hint: "shorten request_id",
        },
      ]

const phasesTogether = (request: TaskRequest): readonly Violation[] => {
  const used = new Set(request.requested_changes.flatMap(({ phase_id }) => phase_id ?? []))
  if (used.size < 2) return []
  return [
    {
      code: "together_in_phases",
      path: "landing",
      message: `what lands together cannot be in several phases (${[...used]
        .slice(0, 3)
        .map((id) => quoted(id))
        .join(", ")})`,
      hint: "use one phase, or landing in_order",
    },
  ]
}

const isTaskId: ResolveDependency = (name) => (v.is(TaskId, name) ? [name as TaskId] : null)

const externalDependencies = (
  request: TaskRequest,
  own: readonly string[],
  resolve: ResolveDependency = isTaskId,
): Result<readonly TaskId[], readonly Violation[]> => {
  const mine = new Set<string>([request.request_id, ...own])
  const found = new Set<TaskId>()
  const violations: Violation[] = []
  for (const [index, name] of (request.depends_on ?? []).entries()) {
    const tasks = mine.has(name) ? null : resolve(name)
    if (tasks?.every((task) => !mine.has(task))) for (const task of tasks) found.add(task)
    else
      violations.push({
        code: tasks || mine.has(name) ? "depends_on_itself" : "dependency_unknown",
        path: `depends_on[${index}]`,
        message:
          tasks || mine.has(name)
            ? `${quoted(name)} is part of this request itself`
            : `${quoted(name)} is no task or request that is known`,
        hint: "name tasks of other requests, like REQ-1-2",
      })
  }
  return violations.length > 0 ? fail(violations) : ok([...found])
}

const summaryOf = (request: TaskRequest, { changes }: Group): string => {
  if (request.landing === "together") return request.summary
  return [...new Set(changes.map(({ summary }) => summary))].join("; ")
}

/** Complexity is estimated only where nobody stated it: what a human wrote is never overridden. */
const metadataOf = (
  request: TaskRequest,
  group: Group,
  fileBytes: ReadonlyMap<string, number>,
): Result<AssignmentMetadata, readonly Violation[]> => {
  const stated = Object.entries(request.metadata ?? {}).filter(([key]) =>
    Object.hasOwn(AssignmentMetadata.entries, key),
  )
  const parsed = parseDocument(AssignmentMetadata, {
    intent: summaryOf(request, group),
    complexity: estimateComplexity(group.paths.length, groupBytes(group, fileBytes)),
    ...Object.fromEntries(stated),
  })
  if (parsed.ok) return parsed
  return fail(parsed.error.map((violation) => ({ ...violation, path: `metadata.${violation.path}` })))
}

const instructionsOf = (request: TaskRequest, group: Group): string[] => {
  const several = group.changes.length > 1
  return [
    ...DEFAULT_INSTRUCTIONS,
    ...(request.landing === "together" && several ? ["All listed files land together, as one tree."] : []),
    ...(several ? group.changes.map(({ path, summary }) => `${quoted(path)}: ${summary}`) : []),
    ...group.changes
      .filter(({ ensure_exists }) => ensure_exists === true)
      .map(({ path }) => `${quoted(path)} must exist afterwards.`),
    // Context is for a model; where the change is given exactly it would only be copied around.
    ...(request.context && !group.changes.every(isExplicit) ? [`Context: ${request.context}`] : []),
  ]
}

interface Criterion {
  readonly text: string
  /** Files of the request that it names in quotes. */
  readonly files: readonly string[]
}

const readCriteria = (request: SplitRequest): readonly Criterion[] => {
  const paths = new Map(request.requested_changes.map(({ path }) => [quoted(path), path]))
  return request.acceptance_criteria.map((text) => ({
    text,
    files: (text.match(/"(?:[^"\\]|\\.)*"/g) ?? []).flatMap((name) => paths.get(name) ?? []),
  }))
}

/** Without those that are about files of other assignments only. */
const criteriaFor = (group: Group, criteria: readonly Criterion[]): string[] => {
  const own = new Set(group.paths)
  return criteria
    .filter(({ files }) => files.length === 0 || files.some((path) => own.has(path)))
    .map(({ text }) => text)
}
