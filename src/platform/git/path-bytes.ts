/**
 * Git paths are bytes. Outside, a path is a string: UTF-8, and a byte that is not UTF-8 as the lone surrogate
 * U+DC80..U+DCFF (no well-formed string contains one, so the mapping is lossless). Inside, a name is a byte string:
 * one UTF-16 unit per byte, which compares in git's order.
 */
const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })

const isAscii = (text: string): boolean => /^[\x00-\x7f]*$/.test(text)

export const pathToBytes = (path: string): Buffer => {
  if (path.isWellFormed()) return Buffer.from(path, "utf8")
  const parts: Buffer[] = []
  for (const char of path) {
    const code = char.codePointAt(0)!
    parts.push(code >= 0xdc80 && code <= 0xdcff ? Buffer.from([code - 0xdc00]) : Buffer.from(char, "utf8"))
  }
  return Buffer.concat(parts)
}

export const pathToByteString = (path: string): string =>
  isAscii(path) ? path : pathToBytes(path).toString("latin1")

export const byteStringToBytes = (name: string): Buffer => Buffer.from(name, "latin1")

const sequenceLength = (lead: number): number => (lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2)

export const byteStringToPath = (name: string): string => {
  if (isAscii(name)) return name
  const bytes = byteStringToBytes(name)
  try {
    return utf8.decode(bytes)
  } catch {
    let path = ""
    for (let at = 0; at < bytes.length; ) {
      const byte = bytes[at]!
      const length = byte < 0x80 ? 1 : sequenceLength(byte)
      try {
        path += utf8.decode(bytes.subarray(at, at + length))
        at += length
      } catch {
        path += String.fromCharCode(0xdc00 + byte)
        at += 1
      }
    }
    return path
  }
}
