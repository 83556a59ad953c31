import type { Violation } from "../../domain/violation.ts"
import type { Rule } from "../rule.ts"

/** Exactly one of `patch` and `content`, readable, and no more than the operation can mean. */
export const payload: Rule = ({ changes }) =>
  changes.flatMap(({ at, change, payload }) => {
    const violations: Violation[] = []
    const { operation, patch, content } = change
    if (patch === undefined && content === undefined)
      violations.push({
        code: "payload_missing",
        path: at,
        message: "has neither patch nor content",
        hint:
          operation === "delete"
            ? 'give the patch, or "content": "" with the SHA-256 of nothing as patch_hash'
            : "give the file's git-style diff as patch, or the whole new file as content",
      })
    else if (patch !== undefined && content !== undefined)
      violations.push({
        code: "payload_twice",
        path: at,
        message: "has both patch and content",
        hint: "keep one: which of them counts must not be a guess",
      })
    else if (payload === null)
      violations.push({
        code: "payload_encoding",
        path: `${at}.${patch === undefined ? "content" : "patch"}`,
        message: "is not valid base64, though patch_encoding says so",
        hint: "encode the bytes as padded base64 on one line, or leave patch_encoding out",
      })
    if (operation === "delete" && content !== undefined && content !== "")
      violations.push({
        code: "delete_with_content",
        path: `${at}.content`,
        message: "a deleted file has no new content",
        hint: 'write "content": "", or use the operation update',
      })
    if (operation === "add" && change.base_hash !== undefined)
      violations.push({
        code: "base_hash_on_add",
        path: `${at}.base_hash`,
        message: "a file that is added has no content before",
        hint: "remove base_hash, or use the operation update",
      })
    return violations
  })
