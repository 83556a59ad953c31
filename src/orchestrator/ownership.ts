import { collisionKey } from "../domain/path.ts"
import type { Policy } from "../domain/policy.ts"
import type { RequestedChange } from "../domain/request.ts"
import { quoted, type Violation } from "../domain/violation.ts"

/** Requested changes that one assignment owns, in the order of the request. */
export interface Group {
  readonly changes: readonly RequestedChange[]
  /** Each path once, in order of first mention. */
  readonly paths: readonly string[]
  readonly phaseId: string | null
}

export const makeGroup = (changes: readonly RequestedChange[]): Group => ({
  changes,
  paths: [...new Set(changes.map(({ path }) => path))],
  phaseId: changes[0]?.phase_id ?? null,
})

const ancestorsOf = function* (key: string): Generator<string> {
  for (let cut = key.lastIndexOf("/"); cut > 0; cut = key.lastIndexOf("/", cut - 1)) yield key.slice(0, cut)
}

/**
 * One group a change, except that changes of one file, and of a file and what lies under it, belong together: no two
 * groups of a phase can touch the same place. Groups stand where their first change stands.
 */
export const groupByFile = (
  changes: readonly RequestedChange[],
  style: Policy["paths"],
): readonly Group[] => {
  const parent = changes.map((_, index) => index)
  const find = (index: number): number => {
    let root = index
    while (parent[root] !== root) root = parent[root]!
    for (let at = index; at !== root; ) {
      const next = parent[at]!
      parent[at] = root
      at = next
    }
    return root
  }
  const join = (left: number, right: number): void => {
    const [a, b] = [find(left), find(right)]
    parent[Math.max(a, b)] = Math.min(a, b)
  }
  const keyOf = (change: RequestedChange, key: string): string => `${change.phase_id ?? ""}\0${key}`
  const owner = new Map<string, number>()
  const keys = changes.map(({ path }) => collisionKey(path, style))
  for (const [index, change] of changes.entries()) {
    const key = keyOf(change, keys[index]!)
    const first = owner.get(key)
    if (first === undefined) owner.set(key, index)
    else join(first, index)
  }
  for (const [index, change] of changes.entries())
    for (const ancestor of ancestorsOf(keys[index]!)) {
      const above = owner.get(keyOf(change, ancestor))
      if (above !== undefined) join(above, index)
    }
  const members = new Map<number, RequestedChange[]>()
  for (const [index, change] of changes.entries()) {
    const root = find(index)
    const list = members.get(root)
    if (list) list.push(change)
    else members.set(root, [change])
  }
  return [...members.values()].map(makeGroup)
}

/** Files that more than one group would own: names every pair of a file and its second owner. */
export const overlaps = (
  groups: readonly Group[],
  style: Policy["paths"],
  nameOf: (index: number) => string,
): readonly Violation[] => {
  const owner = new Map<string, { readonly index: number; readonly path: string }>()
  const violations: Violation[] = []
  const clash = (index: number, path: string, other: { readonly index: number; readonly path: string }) => {
    const what = path === other.path ? quoted(path) : `${quoted(other.path)} and ${quoted(path)}`
    violations.push({
      code: "ownership_overlap",
      path: "requested_changes",
      message: `${what} would belong to ${nameOf(other.index)} and to ${nameOf(index)}`,
      hint: "put all changes of a file, and of what lies under it, into one phase",
    })
  }
  for (const [index, { paths }] of groups.entries())
    for (const path of paths) {
      const key = collisionKey(path, style)
      const other = owner.get(key)
      if (other && other.index !== index) clash(index, path, other)
      else owner.set(key, { index, path })
    }
  for (const [index, { paths }] of groups.entries())
    for (const path of paths)
      for (const ancestor of ancestorsOf(collisionKey(path, style))) {
        const other = owner.get(ancestor)
        if (other && other.index !== index) clash(index, path, other)
      }
  return violations
}
