import { maxFileBytes } from "./change.ts"

/** Applies a git pack delta; null when it is malformed or not made for `base`. */
export const applyDelta = (base: Uint8Array, delta: Uint8Array): Uint8Array | null => {
  let at = 0
  const size = (): number => {
    let value = 0
    for (let shift = 1; at < delta.length; shift *= 128) {
      const byte = delta[at++]!
      value += (byte & 127) * shift
      if (byte < 128 || value > maxFileBytes) break
    }
    return value
  }
  if (size() !== base.length) return null
  const length = size()
  if (length > maxFileBytes) return null
  const result = new Uint8Array(length)
  let write = 0
  while (at < delta.length) {
    const command = delta[at++]!
    if (command === 0) return null
    if (command < 128) {
      if (at + command > delta.length || write + command > length) return null
      result.set(delta.subarray(at, at + command), write)
      at += command
      write += command
      continue
    }
    let from = 0
    let count = 0
    for (let byte = 0; byte < 4; byte++) if (command & (1 << byte)) from += (delta[at++] ?? 0) * 256 ** byte
    for (let byte = 0; byte < 3; byte++) if (command & (16 << byte)) count += (delta[at++] ?? 0) * 256 ** byte
    if (count === 0) count = 0x10000
    if (at > delta.length || from + count > base.length || write + count > length) return null
    result.set(base.subarray(from, from + count), write)
    write += count
  }
  return write === length ? result : null
}
