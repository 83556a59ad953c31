import { quoted } from "../../domain/violation.ts"
import type { Rule } from "../rule.ts"

/** The answer to an assignment touches nothing but the assignment's files. */
export const fileTargets: Rule = ({ assignment, changes }) => {
  if (assignment === null) return []
  const targets = new Set(assignment.file_targets)
  const listed = assignment.file_targets.slice(0, 5).map((target) => quoted(target))
  const more = targets.size > listed.length ? ` and ${targets.size - listed.length} more` : ""
  return changes
    .filter(({ change }) => !targets.has(change.path))
    .map(({ at, change }) => ({
      code: "outside_file_targets",
      path: `${at}.path`,
      message: `${quoted(change.path)} is not among the files of this assignment`,
      hint: `change only ${listed.join(", ")}${more}; other files need their own task`,
    }))
}
