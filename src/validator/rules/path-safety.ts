import { pathProblems } from "../../domain/path.ts"
import type { Rule } from "../rule.ts"

/** Every path stays inside the repository and outside `.git` and `.hyperion`, on every file system. */
export const pathSafety: Rule = ({ changes, policy }) =>
  changes.flatMap(({ at, change }) =>
    pathProblems(change.path, { style: policy.paths, isNew: change.operation === "add" }).map((problem) => ({
      ...problem,
      path: `${at}.path`,
    })),
  )
