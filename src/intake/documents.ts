import { JSON_LIMITS, type JsonLimits, type JsonProblem, parseStrictJson } from "../domain/strict-json.ts"
import type { Violation } from "../domain/violation.ts"

export type DocumentKind = "change_request" | "cast" | "bundle" | "request"

/** A document told apart by its keys; its schema has not been asked yet. */
export interface ReadDocument {
  readonly kind: DocumentKind
  /** Position among the documents of the file, from 0. */
  readonly index: number
  /** The file, and which part of it: `a.json`, `a.json[2]` (array), `a.jsonl:7` (line). */
  readonly where: string
  readonly value: Readonly<Record<string, unknown>>
}

export interface UnreadableDocument {
  readonly kind: "unreadable"
  readonly index: number
  readonly where: string
  /** Line of the file, from 1, where reading stopped; 1 for an element of an array. */
  readonly line: number
  /** `path` is `where`, with line and column of the file where they are known. */
  readonly violation: Violation
}

export type Document = ReadDocument | UnreadableDocument

export interface DocumentLimits {
  /** Of one document. An array counts as one: JSON Lines has no such limit. */
  readonly json: JsonLimits
  /** Bytes of the whole file. */
  readonly maxFileBytes: number
}

/** The file cap leaves room for a repository's history as JSON Lines and keeps the reader's memory bounded. */
export const DOCUMENT_LIMITS: DocumentLimits = { json: JSON_LIMITS, maxFileBytes: 128 * 1024 * 1024 }

const LF = 0x0a
const OPEN_BRACE = 0x7b
const CLOSE_BRACE = 0x7d
const OPEN_BRACKET = 0x5b

/**
 * The documents of a file (or of stdin, named `-`): one JSON document, a JSON array of them, or JSON Lines, where one
 * bad line does not lose the others. Line and array element that cannot be used come back as `unreadable`, in place.
 * A blank file is `unreadable`, except as a stream of lines (`-`, `.jsonl`, `.ndjson`), which may well hold none.
 */
export const readDocuments = (
  bytes: Uint8Array,
  name: string,
  limits: DocumentLimits = DOCUMENT_LIMITS,
): readonly Document[] => {
  const file = displayName(name)
  if (bytes.byteLength > limits.maxFileBytes)
    return [
      unreadable(0, file, 1, {
        code: "too_large",
        message: `${file} is ${bytes.byteLength} bytes; the limit of a file is ${limits.maxFileBytes}`,
        hint: "split it into several files",
      }),
    ]
  if (bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf)
    return [
      unreadable(0, file, 1, {
        code: "byte_order_mark",
        message: `${file} starts with a byte order mark`,
        hint: "save it as UTF-8 without BOM",
      }),
    ]
  const isStream = name === "-" || /\.(?:jsonl|ndjson)$/i.test(name)
  const first = firstVisible(bytes)
  if (first < 0)
    return isStream
      ? []
      : [
          unreadable(0, file, 1, {
            code: "empty_document",
            message: `${file} is empty`,
            hint: "write a JSON document, an array of documents, or one document a line",
          }),
        ]
  if (isStream && name !== "-") return readLines(bytes, file, limits)
  const whole = parseStrictJson(bytes, limits.json)
  if (whole.ok) {
    if (!Array.isArray(whole.value)) return [classify(whole.value, 0, file, 1)]
    return whole.value.map((value, index) => classify(value, index, `${file}[${index}]`, 1))
  }
  if (bytes[first] !== OPEN_BRACKET && hasObjectLine(bytes)) return readLines(bytes, file, limits)
  return [syntax(file, 0, file, whole.error, 0)]
}

const displayName = (name: string): string => (name === "-" ? "stdin" : name)

const readLines = (bytes: Uint8Array, file: string, limits: DocumentLimits): readonly Document[] => {
  const documents: Document[] = []
  eachLine(bytes, (line, number) => {
    if (firstVisible(line) < 0) return
    const where = `${file}:${number}`
    const parsed = parseStrictJson(line, limits.json)
    documents.push(
      parsed.ok
        ? classify(parsed.value, documents.length, where, number)
        : syntax(file, documents.length, where, parsed.error, number - 1),
    )
  })
  return documents
}

const eachLine = (bytes: Uint8Array, visit: (line: Uint8Array, number: number) => unknown): void => {
  let number = 1
  for (let from = 0; from < bytes.length; number++) {
    const end = bytes.indexOf(LF, from)
    const to = end < 0 ? bytes.length : end
    if (visit(bytes.subarray(from, to), number) === false) return
    from = to + 1
  }
}

/** Offset of the first byte that is not JSON white space; -1 when there is none. */
const firstVisible = (bytes: Uint8Array): number =>
  bytes.findIndex((byte) => byte !== 0x20 && byte !== 0x09 && byte !== LF && byte !== 0x0d)

/** Whether some line looks like a whole object; in indented JSON no line at the margin both opens and closes one. */
const hasObjectLine = (bytes: Uint8Array): boolean => {
  let found = false
  eachLine(bytes, (line) => {
    let end = line.length
    while (end > 0 && (line[end - 1] === 0x0d || line[end - 1] === 0x20)) end--
    found = end > 1 && line[0] === OPEN_BRACE && line[end - 1] === CLOSE_BRACE
    return !found
  })
  return found
}

const unreadable = (
  index: number,
  where: string,
  line: number,
  problem: Omit<Violation, "path">,
  path = where,
): UnreadableDocument => ({ kind: "unreadable", index, where, line, violation: { ...problem, path } })

/** `before` = lines of the file before the text that was parsed. */
const syntax = (
  file: string,
  index: number,
  where: string,
  problem: JsonProblem,
  before: number,
): UnreadableDocument => {
  const line = before + problem.line
  const place = `line ${line}, column ${problem.column}`
  const located = problem.code !== "too_large" && problem.code !== "not_utf8"
  return unreadable(
    index,
    where,
    line,
    {
      code: `json_${problem.code}`,
      message: located
        ? `${place}: the JSON ${problem.message}`
        : `line ${line}: the document ${problem.message}`,
      hint: HINTS[problem.code],
    },
    located ? `${file}:${line}:${problem.column}` : where,
  )
}

const HINTS: Readonly<Record<JsonProblem["code"], string>> = {
  too_large: "split the work, or write one document a line (JSON Lines)",
  not_utf8: "save it as UTF-8; send a patch that is not UTF-8 with patch_encoding base64",
  syntax: "correct the JSON at that place; a document that was cut off must be sent again",
  too_deep: "no document of ours nests that deep; hyperion help documents describes the forms",
  duplicate_key: "keep one of the two: which of them counts must not be a guess",
  lone_surrogate: "send the bytes with patch_encoding base64",
  number_range: "write a number that a double can hold",
}

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value)

const classify = (value: unknown, index: number, where: string, line: number): Document => {
  if (!isRecord(value))
    return unreadable(index, where, line, {
      code: "unknown_document",
      message: `${where} is not a JSON object`,
      hint: KEYS_HINT,
    })
  const kind = DISTINCTIVE.find(([, keys]) => keys.some((key) => Object.hasOwn(value, key)))?.[0]
  if (kind !== undefined) return { kind, index, where, value }
  return unreadable(index, where, line, {
    code: "unknown_document",
    message: `${where} is none of our documents`,
    hint: KEYS_HINT,
  })
}

/** The keys that make a document what it is, most specific first: a bundle has `requested_changes` as well. */
const DISTINCTIVE: readonly (readonly [DocumentKind, readonly string[]])[] = [
  ["cast", ["change_request"]],
  ["bundle", ["assignments", "casts"]],
  ["request", ["requested_changes"]],
  ["change_request", ["changes"]],
]

const KEYS_HINT =
  "a change request has changes, a request requested_changes, a cast change_request, a bundle assignments or casts"
