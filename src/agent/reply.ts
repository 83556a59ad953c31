import { fail, ok, type Result } from "../domain/result.ts"
import { parseStrictJson } from "../domain/strict-json.ts"

export interface ReplyProblem {
  readonly code: "too_large" | "not_utf8" | "none" | "several" | "broken"
  readonly message: string
}

/** Twice the largest document: room for what an agent says around it. */
export const MAX_REPLY_BYTES = 16 * 1024 * 1024

/** Every change request has it in this spelling; text without it is not looked at. */
const MARK = '"changes"'
/** Characters looked at for each one of the reply: braces that never close must not cost its square. */
const WORK = 4
const OBJECT_START = /\{\s*["}]/y

const decoder = new TextDecoder("utf-8", { fatal: true })

/**
 * The one change request in an agent's reply, whatever prose, code fences or other JSON stand around it. A JSON object
 * with a key `changes` is a change request; two of them, or none that is strict JSON, are a problem. Never guesses.
 */
export const extractDocument = (
  reply: Uint8Array,
): Result<Readonly<Record<string, unknown>>, ReplyProblem> => {
  if (reply.byteLength > MAX_REPLY_BYTES)
    return problem("too_large", `the reply is ${reply.byteLength} bytes; the limit is ${MAX_REPLY_BYTES}`)
  let text: string
  try {
    text = decoder.decode(reply)
  } catch {
    return problem("not_utf8", "the reply is not well-formed UTF-8")
  }
  const { documents, broken } = findDocuments(text)
  const [document, second] = documents
  if (second) return problem("several", `the reply holds ${documents.length} change requests instead of one`)
  if (document) return ok(document)
  if (broken !== null) return problem("broken", broken)
  return problem("none", "the reply holds no change request")
}

const problem = (code: ReplyProblem["code"], message: string): Result<never, ReplyProblem> =>
  fail({ code, message })

const findDocuments = (
  text: string,
): { readonly documents: readonly Readonly<Record<string, unknown>>[]; readonly broken: string | null } => {
  const documents: Readonly<Record<string, unknown>>[] = []
  const lastMark = text.lastIndexOf(MARK)
  let broken: string | null = null
  let work = WORK * text.length
  for (let at = text.indexOf("{"); at >= 0 && at < lastMark; ) {
    const end = objectEnd(text, at)
    work -= (end < 0 ? text.length : end) - at
    if (work < 0) return { documents: [], broken: "the reply has too many braces that never close" }
    const candidate = end < 0 ? "" : text.slice(at, end)
    const isJson = startsObject(text, at)
    if (end < 0) {
      if (isJson) broken ??= "the reply's JSON is not complete: it seems to be cut off"
      at = text.indexOf("{", at + 1)
      continue
    }
    if (!candidate.includes(MARK)) {
      at = text.indexOf("{", end)
      continue
    }
    const parsed = parseStrictJson(Buffer.from(candidate))
    if (parsed.ok && Object.hasOwn(parsed.value as object, "changes")) {
      documents.push(parsed.value as Record<string, unknown>)
      at = text.indexOf("{", end)
    } else if (!parsed.ok && isJson) {
      const { line, column, message } = parsed.error
      broken ??= `the reply's JSON cannot be used: at line ${line}, column ${column} it ${message}`
      at = text.indexOf("{", end)
    } else at = text.indexOf("{", at + 1)
  }
  return { documents, broken }
}

/** Whether JSON of an object starts at this brace; code in prose seldom looks so. */
const startsObject = (text: string, at: number): boolean => {
  OBJECT_START.lastIndex = at
  return OBJECT_START.test(text)
}

/** Index after the brace that closes the one at `from`, strings skipped; -1 when there is none. */
const objectEnd = (text: string, from: number): number => {
  let depth = 0
  let quoted = false
  for (let at = from; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (quoted) {
      if (code === 0x5c) at++
      else if (code === 0x22) quoted = false
      // JSON has no line break in a string: this quote began no string.
      else if (code === 0x0a) return -1
    } else if (code === 0x22) quoted = true
    else if (code === 0x7b) depth++
    else if (code === 0x7d && --depth === 0) return at + 1
  }
  return -1
}
