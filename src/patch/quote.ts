const slash = 47
const quoteMark = 34
const backslash = 92
const escapes: Readonly<Record<number, number>> = {
  97: 7, // \a
  98: 8, // \b
  116: 9, // \t
  110: 10, // \n
  118: 11, // \v
  102: 12, // \f
  114: 13, // \r
  34: quoteMark,
  92: backslash,
}
const letters = new Map(Object.entries(escapes).map(([letter, code]) => [code, Number(letter)]))

/** Reads git's C-style quoted name whose opening quote is at `start`; null when it never closes or an escape is unknown. */
export const unquote = (
  line: Uint8Array,
  start: number,
): { readonly name: Uint8Array; readonly end: number } | null => {
  const name: number[] = []
  let at = start + 1
  while (at < line.length) {
    const byte = line[at]!
    if (byte === quoteMark) return { name: Uint8Array.from(name), end: at + 1 }
    if (byte !== backslash) {
      name.push(byte)
      at += 1
      continue
    }
    const letter = line[at + 1] ?? 0
    const escaped = escapes[letter]
    if (escaped !== undefined) {
      name.push(escaped)
      at += 2
      continue
    }
    const digits = line.subarray(at + 1, at + 4)
    if (digits.length < 3 || letter > 51 || digits.some((digit) => digit < 48 || digit > 55)) return null
    name.push((digits[0]! - 48) * 64 + (digits[1]! - 48) * 8 + digits[2]! - 48)
    at += 4
  }
  return null
}

/** Quotes a name as `git diff` does with its default `core.quotePath`. */
export const quote = (name: Uint8Array): string => {
  let quoted = ""
  let needed = false
  for (const byte of name) {
    const letter = letters.get(byte)
    if (letter !== undefined) quoted += `\\${String.fromCharCode(letter)}`
    else if (byte < 32 || byte > 126) quoted += `\\${byte.toString(8).padStart(3, "0")}`
    else {
      quoted += String.fromCharCode(byte)
      continue
    }
    needed = true
  }
  return needed ? `"${quoted}"` : quoted
}

export const hasPrefix = (name: Uint8Array, letter: "a" | "b"): boolean =>
  name.length > 2 && name[0] === letter.charCodeAt(0) && name[1] === slash
