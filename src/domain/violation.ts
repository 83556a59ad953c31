import type * as v from "valibot"

/** One thing wrong with a document: stable code, where (a JSON path or a file), what, and how to mend it. */
export interface Violation {
  readonly code: string
  readonly path: string
  readonly message: string
  readonly hint: string
}

/** `changes[2].patch_hash`; the empty string is the document itself. */
export const issuePath = (issue: v.BaseIssue<unknown>): string =>
  (issue.path ?? []).reduce(
    (path, item) =>
      typeof item.key === "number"
        ? `${path}[${item.key}]`
        : path === ""
          ? String(item.key)
          : `${path}.${String(item.key)}`,
    "",
  )

/** Schema issues as violations, all at once. `unknown_key` is told apart because requests only warn about it. */
export const schemaViolations = (issues: readonly v.BaseIssue<unknown>[]): readonly Violation[] =>
  issues.map((issue) => {
    const path = issuePath(issue)
    if (issue.type === "strict_object" && issue.expected === "never")
      return {
        code: "unknown_key",
        path,
        message: `unknown key ${JSON.stringify(path)}`,
        hint: "remove it, or correct its spelling; docs/SCHEMAS.md lists the keys",
      }
    const missing = issue.received === "undefined"
    return {
      code: missing ? "missing" : "schema",
      path,
      message: missing
        ? `${path || "the document"} is required`
        : `${path || "the document"}: ${plain(issue.message)}`,
      hint: missing ? `add ${path}` : "docs/SCHEMAS.md describes the form",
    }
  })

/** Valibot quotes the received value in its standard messages; an agent's bytes have no place in ours. */
const plain = (message: string): string =>
  message.replace(/ but received .*$/s, "").replace(/^Invalid [a-z]+: /i, "")
