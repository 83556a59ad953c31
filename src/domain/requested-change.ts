import type { Operation } from "./change-request.ts"
import type { RequestedChange } from "./request.ts"

/** Whether the request says exactly what happens to the file, so that nobody has to be asked for it. */
export const isExplicit = (change: RequestedChange): boolean =>
  change.patch !== undefined || change.content !== undefined || change.operation === "delete"

/** What the header of a patch says it does; null when it says nothing. Lines of the hunks do not count. */
export const patchOperation = (patch: string): Operation | null => {
  const header = patch.split(/^@@/m, 1)[0]!
  if (/^(?:new file mode |--- \/dev\/null)/m.test(header)) return "add"
  if (/^(?:deleted file mode |\+\+\+ \/dev\/null)/m.test(header)) return "delete"
  return /^(?:--- |old mode |index )/m.test(header) ? "update" : null
}
