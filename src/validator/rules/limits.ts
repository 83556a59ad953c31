import type { Violation } from "../../domain/violation.ts"
import type { Rule } from "../rule.ts"

/** `policy.limits`: how many changes, how many bytes a file's new content may have, and how many all payloads together. */
export const limits: Rule = ({ changeCount, changes, policy }) => {
  const { max_changes, max_file_bytes, max_payload_bytes } = policy.limits
  const violations: Violation[] = []
  if (changeCount > max_changes)
    violations.push({
      code: "too_many_changes",
      path: "changes",
      message: `holds ${changeCount} changes; the limit is ${max_changes}`,
      hint: "split the work into several tasks, or let the operator raise limits.max_changes",
    })
  let total = 0
  for (const { at, change, payload } of changes) {
    const bytes = payload?.byteLength ?? 0
    total += bytes
    if (change.content !== undefined && bytes > max_file_bytes)
      violations.push({
        code: "file_too_large",
        path: `${at}.content`,
        message: `the file is ${bytes} bytes; the limit is ${max_file_bytes}`,
        hint: "make the file smaller, or let the operator raise limits.max_file_bytes",
      })
  }
  if (total > max_payload_bytes)
    violations.push({
      code: "payload_too_large",
      path: "changes",
      message: `patches and contents are ${total} bytes together; the limit is ${max_payload_bytes}`,
      hint: "split the work into several tasks, or let the operator raise limits.max_payload_bytes",
    })
  return violations
}
