import type { Provenance } from "../domain/change-request.ts"

/** What of a commit a change request cannot carry byte for byte; the tree it makes is the same all the same. */
export type CommitNote = "text_reencoded" | "identity_rewritten"

export interface CommitText {
  readonly tree: string
  readonly parents: readonly string[]
  readonly author: Pick<Provenance, "author_name" | "author_email" | "author_date">
  /** All of it, as written. */
  readonly message: string
  /** The message's first paragraph as one line; empty when there is none. */
  readonly subject: string
  readonly notes: readonly CommitNote[]
}

const DATE = / (\d{1,12} [+-]\d{4})$/
/** What `IdentityText` of the provenance does not hold. */
const NOT_IN_IDENTITY = /[\0\n\r<>]/g
const MAX_IDENTITY = 1_000

/** Reads the body of a commit object; `null` when it names no tree. Headers it does not know are skipped. */
export const parseCommitText = (body: Buffer): CommitText | null => {
  const blank = body.indexOf("\n\n")
  const head = body.subarray(0, blank < 0 ? body.length : blank)
  const headers = new Map<string, Buffer[]>()
  for (let from = 0; from < head.length; ) {
    const found = head.indexOf(0x0a, from)
    const end = found < 0 ? head.length : found
    const space = head.indexOf(0x20, from)
    // A line that starts with a space goes on with the header before it, such as a signature.
    if (space > from && space < end) {
      const key = head.toString("latin1", from, space)
      headers.set(key, [...(headers.get(key) ?? []), head.subarray(space + 1, end)])
    }
    from = end + 1
  }
  const tree = headers.get("tree")?.[0]?.toString("latin1")
  if (tree === undefined || !/^[0-9a-f]{40}$/.test(tree)) return null
  const label = headers.get("encoding")?.[0]?.toString("latin1")
  const ident = decode(headers.get("author")?.[0] ?? Buffer.alloc(0), label)
  const message = decode(blank < 0 ? Buffer.alloc(0) : body.subarray(blank + 2), label)
  const author = identity(ident.text)
  const text = message.text.replaceAll("\0", "\ufffd")
  const kept = ident.exact && message.exact && text === message.text
  return {
    tree,
    parents: (headers.get("parent") ?? []).map((value) => value.toString("latin1")),
    author: author.value,
    message: text,
    subject: subjectOf(text),
    notes: [
      ...(kept ? [] : ["text_reencoded" as const]),
      ...(author.exact ? [] : ["identity_rewritten" as const]),
    ],
  }
}

/** By the commit's `encoding`, UTF-8 when there is none or nobody knows it; what does not fit is replaced. */
const decode = (
  bytes: Buffer,
  label: string | undefined,
): { readonly text: string; readonly exact: boolean } => {
  const text = decoderOf(label).decode(bytes).toWellFormed()
  return { text, exact: Buffer.from(text).equals(bytes) }
}

const decoderOf = (label: string | undefined): TextDecoder => {
  try {
    return new TextDecoder((label ?? "utf-8") as Bun.Encoding, { ignoreBOM: true })
  } catch {
    return new TextDecoder("utf-8", { ignoreBOM: true })
  }
}

const identity = (text: string): { readonly value: CommitText["author"]; readonly exact: boolean } => {
  const open = text.indexOf("<")
  const close = text.indexOf(">", open)
  const whole = open >= 0 && close >= 0
  const value = {
    author_name: clean(whole ? text.slice(0, open).replace(/ $/, "") : text.replace(DATE, "")),
    author_email: clean(whole ? text.slice(open + 1, close) : ""),
    author_date: DATE.exec(text)?.[1] ?? "0 +0000",
  }
  return { value, exact: text === `${value.author_name} <${value.author_email}> ${value.author_date}` }
}

const clean = (text: string): string =>
  text.replace(NOT_IN_IDENTITY, "").slice(0, MAX_IDENTITY).toWellFormed()

const subjectOf = (message: string): string =>
  message
    .trimStart()
    .split(/\n[ \t\r]*(?:\n|$)/, 1)[0]!
    .split("\n")
    .map((line) => line.trim())
    .join(" ")
    .trim()

/** An author's name as the name of an agent: one visible line, never empty, at most 128 characters. */
export const agentNameOf = (author: string): string => {
  const name = author
    .replace(/[\u0000-\u001f\u007f-\u009f]+/g, " ")
    .trim()
    .slice(0, 128)
    .toWellFormed()
    .trim()
  return name === "" ? "unknown" : name
}
