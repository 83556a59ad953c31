/** Fast path: almost every line is plain ASCII and never needs the Unicode property tables. */
const UNUSUAL = /[^\n\t\x20-\x7e]/

/** Controls, format and bidi characters, lone surrogates, line separators, and whatever a renderer may ignore. */
const FORBIDDEN = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/gu

const codePoint = (character: string): string => `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`

/**
 * Text that is safe for a terminal or a pipe: every character that could act instead of being read becomes a visible
 * escape such as `\u{1b}`. Only newline and tab survive. Idempotent.
 */
export const visibleText = (text: string): string =>
  UNUSUAL.test(text)
    ? text.replace(FORBIDDEN, (character) =>
        character === "\n" || character === "\t" ? character : codePoint(character),
      )
    : text

/** Like {@link visibleText} for text that must stay on one line: newline and tab become escapes too. */
export const visibleLine = (text: string): string => visibleText(text).replace(/[\n\t]/g, codePoint)

/**
 * JSON in pure visible characters: `JSON.stringify` escapes C0 only, here DEL, C1, bidi, ignorable characters and
 * U+2028/2029 become `\uXXXX` as well. Parses back to the same value. `indent` in spaces, 0 = one line.
 */
export const visibleJson = (value: unknown, indent = 0): string => {
  const json = JSON.stringify(value ?? null, null, indent) ?? "null"
  if (!UNUSUAL.test(json)) return json
  return json.replace(FORBIDDEN, (character) =>
    character === "\n"
      ? character
      : Array.from({ length: character.length }, (_, unit) =>
          character.charCodeAt(unit).toString(16).padStart(4, "0"),
        )
          .map((hex) => `\\u${hex}`)
          .join(""),
  )
}
