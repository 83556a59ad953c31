import type { Operation } from "../../domain/change-request.ts"
import { collisionKey, MAX_PATH_BYTES } from "../../domain/path.ts"
import { quoted, type Violation } from "../../domain/violation.ts"
import type { Rule } from "../rule.ts"

interface Seen {
  readonly at: string
  readonly path: string
  readonly operation: Operation
}

/**
 * Each path once, or twice as delete then add. Under `paths: portable` spellings that differ only in case or Unicode
 * form are one path. No path that stays may lie under another that stays: one of them would be a folder.
 */
export const duplicatePaths: Rule = ({ changes, policy }) => {
  const violations: Violation[] = []
  const byKey = new Map<string, Seen[]>()
  const staying = new Map<string, Seen>()
  for (const { at, change } of changes) {
    if (change.path.length > MAX_PATH_BYTES) continue
    const now: Seen = { at, path: change.path, operation: change.operation }
    const key = collisionKey(change.path, policy.paths)
    const before = byKey.get(key)
    if (before) {
      const clash = clashing(before, now)
      if (clash) violations.push(clash)
      before.push(now)
    } else byKey.set(key, [now])
    if (change.operation !== "delete" && !staying.has(key)) staying.set(key, now)
  }
  for (const [key, inner] of staying)
    for (let cut = key.lastIndexOf("/"); cut > 0; cut = key.lastIndexOf("/", cut - 1)) {
      const outer = staying.get(key.slice(0, cut))
      if (outer)
        violations.push({
          code: "path_inside_file",
          path: `${inner.at}.path`,
          message: `${quoted(inner.path)} lies inside ${quoted(outer.path)} (${outer.at}), which is a file`,
          hint: "delete the file first, or choose another path",
        })
    }
  return violations
}

const clashing = (before: readonly Seen[], now: Seen): Violation | null => {
  const same = before.find((seen) => seen.path === now.path)
  if (same) {
    const replaced = before.length === 1 && same.operation === "delete" && now.operation === "add"
    return replaced
      ? null
      : {
          code: "path_twice",
          path: `${now.at}.path`,
          message: `${quoted(now.path)} is changed more than once (first in ${same.at})`,
          hint: "merge the changes into one; only a delete followed by an add may name a path twice",
        }
  }
  const other = before[0]!
  // Names the tree already has may collide: only a change that brings one in is at fault.
  const brings = now.operation === "add" || before.some((seen) => seen.operation === "add")
  const renamed = before.every((seen) => seen.operation === "delete") && now.operation === "add"
  if (!brings || renamed) return null
  return {
    code: "path_collision",
    path: `${now.at}.path`,
    message: `${quoted(now.path)} and ${quoted(other.path)} (${other.at}) are one file where case or Unicode form does not count`,
    hint: 'choose another name, put the delete before the add, or let the operator set "paths": "posix"',
  }
}
