import type * as v from "valibot"

/** One thing wrong with a document: stable code, where (a JSON path or a file), what, and how to mend it. */
export interface Violation {
  readonly code: string
  readonly path: string
  readonly message: string
  readonly hint: string
}

/** Where and what, on one line. */
export const told = ({ path, message }: Pick<Violation, "path" | "message">): string =>
  path === "" || message.startsWith(path) ? message : `${path}: ${message}`

/** Everything that does not print as itself, written as an escape. */
export const printable = (text: string): string =>
  text
    .toWellFormed()
    .replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Co}]/gu, (char) => `\\u{${char.codePointAt(0)!.toString(16)}}`)

/** A foreign text as part of one of our messages: JSON-quoted, cut to `max` characters, printable. */
export const quoted = (text: string, max = 120): string =>
  printable(JSON.stringify(text.length > max ? `${text.slice(0, max).toWellFormed()}…` : text))

/** `changes[2].patch_hash`; the empty string is the document itself. Keys that are no plain words are quoted. */
export const issuePath = (issue: v.BaseIssue<unknown>): string =>
  (issue.path ?? []).reduce(
    (path, item) => (typeof item.key === "number" ? `${path}[${item.key}]` : keyPath(path, String(item.key))),
    "",
  )

export const keyPath = (parent: string, key: string): string => {
  if (!/^[A-Za-z_$][\w$-]{0,63}$/.test(key)) return `${parent}[${quoted(key)}]`
  return parent === "" ? key : `${parent}.${key}`
}

export const unknownKey = (path: string): Violation => ({
  code: "unknown_key",
  path,
  message: "is not a key of this document",
  hint: "remove it, or correct its spelling; hyperion help documents lists the keys",
})

/** Schema issues as violations, all at once. `unknown_key` is told apart because requests only warn about it. */
export const schemaViolations = (issues: readonly v.BaseIssue<unknown>[]): readonly Violation[] =>
  issues.map((issue) => {
    const path = issuePath(issue)
    if (issue.type === "strict_object" && issue.expected === "never") return unknownKey(path)
    const missing = issue.received === "undefined"
    return {
      code: missing ? "missing" : "schema",
      path,
      // The path stands beside the message wherever it is shown.
      message: missing ? "is required" : plain(issue.message),
      hint: missing ? `add ${path || "it"}` : "hyperion help documents describes the form",
    }
  })

/** Valibot quotes the received value in its standard messages; an agent's bytes have no place in ours. */
const plain = (message: string): string =>
  message.replace(/ but received .*$/s, "").replace(/^Invalid [a-z]+: /i, "")
