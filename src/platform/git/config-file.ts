/** `section.key` or `section.subsection.key` (section and key lower-case) → values in order of appearance. */
export type ConfigValues = ReadonlyMap<string, readonly string[]>

const ESCAPES: Record<string, string> = { n: "\n", t: "\t", b: "\b", '"': '"', "\\": "\\" }

/** One value, from after `=`: quotes, escapes, comments, `\` at a line's end. Returns the value and where it ends. */
const readValue = (text: string, from: number): readonly [string, number] => {
  let value = ""
  let kept = 0
  let quoted = false
  let at = from
  for (; at < text.length && (quoted || text[at] !== "\n"); at++) {
    const char = text[at]!
    if (char === "\\") {
      const next = text[++at]
      if (next === "\r" && text[at + 1] === "\n") at++
      else if (next !== "\n" && next !== undefined) value += ESCAPES[next] ?? next
      kept = value.length
    } else if (char === '"') {
      quoted = !quoted
      kept = value.length
    } else if (!quoted && (char === "#" || char === ";")) {
      while (at < text.length && text[at] !== "\n") at++
      break
    } else {
      value += char
      if (quoted || !/\s/.test(char)) kept = value.length
    }
  }
  return [value.slice(0, kept), at]
}

const SECTION = /\[\s*([A-Za-z0-9.-]+)(?:\s+"((?:[^"\\]|\\.)*)")?\s*\]/y
const KEY = /([A-Za-z][A-Za-z0-9-]*)[ \t]*(=[ \t]*)?/y

const match = (pattern: RegExp, text: string, at: number): RegExpExecArray | null => {
  pattern.lastIndex = at
  return pattern.exec(text)
}

/**
 * The values of one git configuration file, includes not followed: what git itself reads to learn a repository's
 * format. Null when the file is not git configuration.
 */
export const parseConfig = (text: string): ConfigValues | null => {
  const values = new Map<string, string[]>()
  let section = ""
  for (let at = text.startsWith("\uFEFF") ? 1 : 0; at < text.length; ) {
    const char = text[at]!
    if (/\s/.test(char)) {
      at++
    } else if (char === "#" || char === ";") {
      while (at < text.length && text[at] !== "\n") at++
    } else if (char === "[") {
      const head = match(SECTION, text, at)
      if (!head) return null
      section = head[1]!.toLowerCase() + (head[2] === undefined ? "" : `.${head[2].replace(/\\(.)/g, "$1")}`)
      at += head[0].length
    } else {
      const key = match(KEY, text, at)
      if (!key || section === "") return null
      at += key[0].length
      let value = "true"
      if (key[2] !== undefined) [value, at] = readValue(text, at)
      else if (at < text.length && !/[\s#;]/.test(text[at]!)) return null
      const name = `${section}.${key[1]!.toLowerCase()}`
      values.set(name, [...(values.get(name) ?? []), value])
    }
  }
  return values
}

export const lastValue = (values: ConfigValues, name: string): string | undefined => values.get(name)?.at(-1)

/** Git's booleans: yes/on/true/1 and a key without value. */
export const isTrue = (value: string | undefined): boolean =>
  value !== undefined && /^(true|yes|on|[1-9]\d*)$/i.test(value)
