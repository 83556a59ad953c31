import type { TaskId } from "../domain/ids.ts"
import type { PhaseSpec, TaskRequest } from "../domain/request.ts"
import { quoted, type Violation } from "../domain/violation.ts"
import type { Group } from "./ownership.ts"

/** Phases that contradict themselves or the changes. */
export const phaseProblems = (request: TaskRequest): readonly Violation[] => {
  const phases = request.phases ?? []
  const violations: Violation[] = []
  const known = new Set<string>()
  for (const [index, { id }] of phases.entries()) {
    if (known.has(id))
      violations.push({
        code: "phase_twice",
        path: `phases[${index}].id`,
        message: `the phase ${quoted(id)} is declared more than once`,
        hint: "give each phase its own id",
      })
    known.add(id)
  }
  // Without a list of phases the id is a label: older requests carry it so.
  if (request.phases === undefined) return violations
  for (const [index, { phase_id }] of request.requested_changes.entries())
    if (typeof phase_id === "string" && !known.has(phase_id))
      violations.push({
        code: "phase_unknown",
        path: `requested_changes[${index}].phase_id`,
        message: `the phase ${quoted(phase_id)} is not declared in phases`,
        hint: "declare it, or correct the id",
      })
  return violations
}

/**
 * In which order the groups stand: by ordinal of their phase, else as requested. A group without a phase stands where
 * the request has it among the first.
 */
export const inPhaseOrder = (groups: readonly Group[], request: TaskRequest): readonly Group[] => {
  const ordinal = ordinals(request)
  return groups.toSorted((left, right) => ordinal(left) - ordinal(right))
}

const ordinals = (request: TaskRequest): ((group: Group) => number) => {
  const byId = new Map((request.phases ?? []).map((phase) => [phase.id, phase.ordinal]))
  return (group) => (group.phaseId === null ? -1 : (byId.get(group.phaseId) ?? -1))
}

/**
 * Which tasks each group waits for, by position. `in_order` chains all. A phase whose policy is `block` must be done
 * before any task of a later ordinal starts; only the nearest such phase is named, it waits for those before itself.
 */
export const internalDependencies = (
  groups: readonly Group[],
  request: TaskRequest,
): readonly (readonly number[])[] => {
  const ordinal = ordinals(request)
  const policies = new Map<string, PhaseSpec["failure_policy"]>(
    (request.phases ?? []).map((phase) => [phase.id, phase.failure_policy]),
  )
  const blocking = new Map<number, number[]>()
  for (const [index, group] of groups.entries()) {
    if (group.phaseId === null || policies.get(group.phaseId) !== "block") continue
    const list = blocking.get(ordinal(group))
    if (list) list.push(index)
    else blocking.set(ordinal(group), [index])
  }
  const levels = [...blocking.keys()].toSorted((left, right) => right - left)
  return groups.map((group, index) => {
    const needed = new Set<number>()
    if (request.landing === "in_order" && index > 0) needed.add(index - 1)
    const own = ordinal(group)
    const nearest = own < 0 ? undefined : levels.find((level) => level < own)
    for (const before of nearest === undefined ? [] : blocking.get(nearest)!) needed.add(before)
    return [...needed].toSorted((left, right) => left - right)
  })
}

/** What `depends_on` of a request names: its tasks, or null when nobody knows the name. */
export type ResolveDependency = (name: string) => readonly TaskId[] | null
