import { printable } from "../../domain/violation.ts"
import type { Rule } from "../rule.ts"

/** A patch changes the one file its change names, in the way its operation says. */
export const patchAlignment: Rule = ({ changes, checkPatch, policy }) =>
  changes.flatMap(({ at, change, payload }) => {
    if (payload === null || change.patch === undefined) return []
    const problem = checkPatch(payload, {
      path: change.path,
      operation: change.operation,
      paths: policy.paths,
    })
    if (problem === null) return []
    return [
      {
        code: problem.code,
        path: `${at}.patch`,
        message: printable(problem.message),
        hint: printable(problem.hint),
      },
    ]
  })
