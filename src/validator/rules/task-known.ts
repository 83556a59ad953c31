import { quoted, type Violation } from "../../domain/violation.ts"
import type { Rule } from "../rule.ts"

/** Where tasks must be known, an answer needs an assignment; and it must answer that assignment. */
export const taskKnown: Rule = ({ assignment, fields, tasks }) => {
  const { task_id, depends_on } = fields
  if (task_id === undefined) return []
  const violations: Violation[] = []
  if (assignment === null && tasks === "known")
    violations.push({
      code: "task_unknown",
      path: "task_id",
      message: `no assignment has the task_id ${quoted(task_id)}`,
      hint: "answer with the task_id of the assignment, or submit a request first",
    })
  if (assignment !== null && assignment.task_id !== task_id)
    violations.push({
      code: "task_mismatch",
      path: "task_id",
      message: `the answer names the task ${quoted(task_id)}; the assignment is ${quoted(assignment.task_id)}`,
      hint: "copy task_id from the assignment",
    })
  if (depends_on?.includes(task_id))
    violations.push({
      code: "depends_on_itself",
      path: "depends_on",
      message: "the task waits for itself and could never run",
      hint: "remove its own task_id from depends_on",
    })
  return violations
}
