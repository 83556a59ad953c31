import { fail, ok, type Result } from "./result.ts"

/** Why a text is not the JSON we accept. `line` and `column` count from 1; no byte of the input is quoted. */
export interface JsonProblem {
  readonly code:
    | "too_large"
    | "not_utf8"
    | "syntax"
    | "too_deep"
    | "duplicate_key"
    | "lone_surrogate"
    | "number_range"
  readonly message: string
  readonly line: number
  readonly column: number
}

export interface JsonLimits {
  /** Bytes, checked before anything is parsed. */
  readonly maxBytes: number
  readonly maxDepth: number
}

/** 8 MiB is the contract's cap for one document; real documents nest fewer than ten levels. */
export const JSON_LIMITS: JsonLimits = { maxBytes: 8 * 1024 * 1024, maxDepth: 64 }

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })

/**
 * Parses one JSON document strictly: capped, well-formed UTF-8, no duplicate keys (`JSON.parse` keeps the last one
 * silently, so two readers could see two documents), no lone surrogates, no number outside the double range.
 */
export const parseStrictJson = (
  bytes: Uint8Array,
  limits: JsonLimits = JSON_LIMITS,
): Result<unknown, JsonProblem> => {
  if (bytes.byteLength > limits.maxBytes)
    return fail({
      code: "too_large",
      message: `is ${bytes.byteLength} bytes; the limit is ${limits.maxBytes}`,
      line: 1,
      column: 1,
    })
  let text: string
  try {
    text = decoder.decode(bytes)
  } catch {
    return fail({ code: "not_utf8", message: "is not well-formed UTF-8", line: 1, column: 1 })
  }
  const scanner = new Scanner(text, limits.maxDepth)
  const problem = scanner.run()
  if (problem) return fail(problem)
  return ok(JSON.parse(text))
}

const QUOTE = 0x22
const BACKSLASH = 0x5c
const LITERALS = ["true", "false", "null"] as const
const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y

/** A validating walk over the text without building values; iterative, so depth costs no stack. */
class Scanner {
  private readonly text: string
  private readonly maxDepth: number
  private at = 0

  constructor(text: string, maxDepth: number) {
    this.text = text
    this.maxDepth = maxDepth
  }

  run(): JsonProblem | null {
    /** Keys seen in each open object; `null` stands for an open array. */
    const open: (Set<string> | null)[] = []
    for (;;) {
      // A value is expected here.
      this.space()
      const code = this.text.charCodeAt(this.at)
      if (code === 0x7b || code === 0x5b) {
        if (open.length >= this.maxDepth)
          return this.problem("too_deep", `nests deeper than ${this.maxDepth} levels`)
        this.at++
        this.space()
        if (code === 0x7b) {
          const keys = new Set<string>()
          if (this.take(0x7d)) {
            const done = this.close(open)
            if (done !== undefined) return done
            continue
          }
          open.push(keys)
          const bad = this.key(keys)
          if (bad) return bad
          continue
        }
        if (this.take(0x5d)) {
          const done = this.close(open)
          if (done !== undefined) return done
          continue
        }
        open.push(null)
        continue
      }
      const bad = this.scalar(code)
      if (bad) return bad
      const done = this.close(open)
      if (done !== undefined) return done
    }
  }

  /** After a value: closes containers and moves to the next value. `undefined` = go on. */
  private close(open: (Set<string> | null)[]): JsonProblem | null | undefined {
    for (;;) {
      this.space()
      if (open.length === 0)
        return this.at === this.text.length ? null : this.problem("syntax", "has text after its end")
      const keys = open[open.length - 1]!
      if (this.take(0x2c)) {
        if (keys === null) return undefined
        this.space()
        const bad = this.key(keys)
        return bad ?? undefined
      }
      if (!this.take(keys === null ? 0x5d : 0x7d))
        return this.problem("syntax", keys === null ? "expected ',' or ']'" : "expected ',' or '}'")
      open.pop()
    }
  }

  private key(keys: Set<string>): JsonProblem | null {
    const start = this.at
    if (this.text.charCodeAt(start) !== QUOTE)
      return this.problem("syntax", "expected a key in double quotes")
    const bad = this.string()
    if (bad) return bad
    const raw = this.text.slice(start, this.at)
    const name: string = raw.includes("\\") ? JSON.parse(raw) : raw.slice(1, -1)
    if (keys.has(name)) {
      this.at = start
      return this.problem("duplicate_key", "has the same key twice in one object")
    }
    keys.add(name)
    this.space()
    return this.take(0x3a) ? null : this.problem("syntax", "expected ':' after a key")
  }

  private scalar(code: number): JsonProblem | null {
    if (code === QUOTE) return this.string()
    if (code === 0x2d || (code >= 0x30 && code <= 0x39)) {
      NUMBER.lastIndex = this.at
      const match = NUMBER.exec(this.text)
      if (!match) return this.problem("syntax", "has a malformed number")
      if (!Number.isFinite(Number(match[0])))
        return this.problem("number_range", "has a number outside the double range")
      this.at = NUMBER.lastIndex
      return null
    }
    const literal = LITERALS.find((word) => this.text.startsWith(word, this.at))
    if (!literal)
      return this.problem("syntax", this.at >= this.text.length ? "ends too early" : "expected a value")
    this.at += literal.length
    return null
  }

  private string(): JsonProblem | null {
    const start = this.at
    let escaped = false
    let unicode = false
    for (let i = start + 1; i < this.text.length; i++) {
      const code = this.text.charCodeAt(i)
      if (code === QUOTE) {
        this.at = i + 1
        if (!escaped) return null
        let value: string
        try {
          value = JSON.parse(this.text.slice(start, this.at))
        } catch {
          this.at = start
          return this.problem("syntax", "has a malformed escape in a string")
        }
        if (!unicode || value.isWellFormed()) return null
        this.at = start
        return this.problem("lone_surrogate", "has a lone surrogate in a string")
      }
      if (code === BACKSLASH) {
        escaped = true
        if (this.text.charCodeAt(i + 1) === 0x75) unicode = true
        i++
      } else if (code < 0x20) {
        this.at = i
        return this.problem("syntax", "has a control character in a string")
      }
    }
    this.at = this.text.length
    return this.problem("syntax", "ends inside a string")
  }

  private space(): void {
    for (;;) {
      const code = this.text.charCodeAt(this.at)
      if (code !== 0x20 && code !== 0x0a && code !== 0x0d && code !== 0x09) return
      this.at++
    }
  }

  private take(code: number): boolean {
    if (this.text.charCodeAt(this.at) !== code) return false
    this.at++
    return true
  }

  private problem(code: JsonProblem["code"], message: string): JsonProblem {
    const before = this.text.slice(0, this.at)
    const line = before.split("\n").length
    return { code, message, line, column: before.length - before.lastIndexOf("\n") }
  }
}
