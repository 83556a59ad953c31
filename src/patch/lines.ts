/** A text as line numbers: equal lines (their \n included) of all texts interned together have equal ids. */
export interface InternedText {
  readonly ids: Int32Array
  /** Byte offset of each line, and of the end. */
  readonly starts: Int32Array
}

export interface InternedTexts {
  readonly texts: readonly InternedText[]
  readonly distinct: number
}

/** Above this many lines in all, questions about lines are refused instead of answered slowly. */
export const maxInternedLines = 2_000_000
const probesPerLine = 32

const countLines = (bytes: Uint8Array): number => {
  let lines = 0
  for (let at = 0; at < bytes.length; at++) if (bytes[at] === 10) lines += 1
  return bytes.length > 0 && bytes[bytes.length - 1] !== 10 ? lines + 1 : lines
}

/** null when there are too many lines, or when they were made to collide. */
export const internLines = (inputs: readonly Uint8Array[]): InternedTexts | null => {
  const counts = inputs.map(countLines)
  const total = counts.reduce((sum, count) => sum + count, 0)
  if (total > maxInternedLines) return null
  let capacity = 16
  while (capacity < total * 2) capacity *= 2
  const mask = capacity - 1
  const slots = new Int32Array(capacity)
  const hashes = new Int32Array(total + 1)
  const sources = new Int32Array(total + 1)
  const froms = new Int32Array(total + 1)
  const lengths = new Int32Array(total + 1)
  let distinct = 0
  let probes = total * probesPerLine + 1024

  const texts: InternedText[] = []
  for (let input = 0; input < inputs.length; input++) {
    const bytes = inputs[input]!
    const ids = new Int32Array(counts[input]!)
    const starts = new Int32Array(counts[input]! + 1)
    let line = 0
    let at = 0
    while (at < bytes.length) {
      const from = at
      let hash = -2128831035
      let byte: number
      do {
        byte = bytes[at++]!
        hash = Math.imul(hash ^ byte, 16777619)
      } while (byte !== 10 && at < bytes.length)
      hash ^= hash >>> 15
      let slot = hash & mask
      let id = -1
      while (slots[slot] !== 0) {
        const known = slots[slot]! - 1
        if (hashes[known] === hash && lengths[known] === at - from) {
          const source = inputs[sources[known]!]!
          const shift = froms[known]! - from
          let same = from
          while (same < at && source[same + shift] === bytes[same]) same += 1
          if (same === at) {
            id = known
            break
          }
        }
        probes -= 1
        if (probes < 0) return null
        slot = (slot + 1) & mask
      }
      if (id < 0) {
        id = distinct++
        slots[slot] = id + 1
        hashes[id] = hash
        sources[id] = input
        froms[id] = from
        lengths[id] = at - from
      }
      ids[line] = id
      starts[line] = from
      line += 1
    }
    starts[line] = bytes.length
    texts.push({ ids, starts })
  }
  return { texts, distinct }
}
