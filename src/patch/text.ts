/** Lines end at \n only: CR, U+2028 and the like are content. All offsets are bytes. */
const newline = 10

/** Up to here a loop beats the call of `indexOf` (measured). */
const shortLine = 48

/** Offset just after the line that starts at `from`. */
export const lineEnd = (bytes: Uint8Array, from: number, end = bytes.length): number => {
  const near = Math.min(from + shortLine, end)
  for (let at = from; at < near; at++) if (bytes[at] === newline) return at + 1
  const found = near < end ? bytes.indexOf(newline, near) : -1
  return found < 0 || found >= end ? end : found + 1
}

/** One character per byte; for headers, which are ASCII but for names. */
export const latin1 = (bytes: Uint8Array, from = 0, end = bytes.length): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("latin1", from, Math.max(from, end))

export const startsWith = (bytes: Uint8Array, from: number, end: number, prefix: string): boolean => {
  if (end - from < prefix.length) return false
  for (let at = 0; at < prefix.length; at++) if (bytes[from + at] !== prefix.charCodeAt(at)) return false
  return true
}

export const equalBytes = (left: Uint8Array, right: Uint8Array): boolean =>
  left.length === right.length && Buffer.compare(left, right) === 0

/** Whether the bytes at `from` are exactly `expected`. */
export const matchesAt = (bytes: Uint8Array, from: number, expected: Uint8Array): boolean => {
  const length = expected.length
  if (from + length > bytes.length) return false
  for (let at = 0; at < length; at++) if (bytes[from + at] !== expected[at]) return false
  return true
}

export const concatBytes = (parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> => {
  let length = 0
  for (const part of parts) length += part.length
  const joined = new Uint8Array(length)
  let at = 0
  for (const part of parts) {
    joined.set(part, at)
    at += part.length
  }
  return joined
}

const encoder = new TextEncoder()
export const encode = (text: string): Uint8Array<ArrayBuffer> => encoder.encode(text)
