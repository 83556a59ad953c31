import { isFilePair, isHunkHeader } from "./header.ts"
import { lineEnd, startsWith } from "./text.ts"

const space = 32
const plus = 43
const minus = 45
const backslash = 92
const newline = 10

/** What one pass over a hunk's body found; `end` is the offset after its last line, sizes are bytes. */
export interface BodyScan {
  readonly end: number
  readonly oldLines: number
  readonly newLines: number
  readonly oldBytes: number
  readonly newBytes: number
  readonly changedLines: number
  readonly trailingContext: number
  /** Whether that side's last line ends the file without a newline. */
  readonly oldEnded: boolean
  readonly newEnded: boolean
  readonly blanks: number
  readonly markers: number
  /** Why it stopped: counts used up · next hunk, file or end · a line that is no body line · a line after the file's end. */
  readonly stop: "counts" | "boundary" | "foreign" | "after_end"
}

export const isBoundary = (bytes: Uint8Array, at: number, end: number): boolean =>
  at >= end ||
  isHunkHeader(bytes, at, end) ||
  startsWith(bytes, at, end, "diff --git ") ||
  isFilePair(bytes, at, end)

const isBlank = (bytes: Uint8Array, at: number): boolean =>
  bytes[at] === newline || (bytes[at] === 13 && bytes[at + 1] === newline)

export const afterBlanks = (bytes: Uint8Array, from: number, end: number): number => {
  let at = from
  while (at < end && isBlank(bytes, at)) at = lineEnd(bytes, at, end)
  return at
}

/**
 * Reads body lines from `from` until `counts` are used up, or without them until the next hunk, file or the end.
 * By counts a line that looks like a header is content; without counts it is a boundary, so that a recount cannot
 * swallow what follows. Blank lines before a boundary belong to no hunk: as context they would change nothing.
 */
export const scanBody = (
  bytes: Uint8Array,
  from: number,
  end: number,
  counts: { readonly old: number; readonly new: number } | null,
): BodyScan => {
  let at = from
  let oldLines = 0
  let newLines = 0
  let oldBytes = 0
  let newBytes = 0
  let changedLines = 0
  let trailingContext = 0
  let oldEnded = false
  let newEnded = false
  let blanks = 0
  let markers = 0
  let last = 0
  let blankRunEnd = from
  let stop: BodyScan["stop"] = "boundary"
  while (true) {
    const byte = at < end ? bytes[at]! : 0
    if (counts !== null && byte !== backslash && oldLines === counts.old && newLines === counts.new) {
      stop = "counts"
      break
    }
    if (at >= end) break
    const next = lineEnd(bytes, at, end)
    const length = next - at - 1
    const blank = byte === newline || byte === 13 ? isBlank(bytes, at) : false
    if (byte === space || blank) {
      if (counts === null && blank && at >= blankRunEnd) {
        blankRunEnd = afterBlanks(bytes, at, end)
        if (isBoundary(bytes, blankRunEnd, end)) break
      }
      if (oldEnded || newEnded) {
        stop = "after_end"
        break
      }
      oldLines += 1
      newLines += 1
      oldBytes += blank ? length + 1 : length
      newBytes += blank ? length + 1 : length
      trailingContext += 1
      if (blank) blanks += 1
      last = space
    } else if (byte === minus) {
      if (counts === null && isFilePair(bytes, at, end)) break
      if (oldEnded) {
        stop = "after_end"
        break
      }
      oldLines += 1
      oldBytes += length
      changedLines += 1
      trailingContext = 0
      last = minus
    } else if (byte === plus) {
      if (newEnded) {
        stop = "after_end"
        break
      }
      newLines += 1
      newBytes += length
      changedLines += 1
      trailingContext = 0
      last = plus
    } else if (byte === backslash) {
      if (last === 0 || (last !== plus && oldEnded) || (last !== minus && newEnded)) {
        stop = "after_end"
        break
      }
      if (last !== plus) {
        oldEnded = true
        oldBytes -= 1
      }
      if (last !== minus) {
        newEnded = true
        newBytes -= 1
      }
      markers += 1
    } else {
      stop = counts === null && isBoundary(bytes, at, end) ? "boundary" : "foreign"
      break
    }
    if (counts !== null && (oldLines > counts.old || newLines > counts.new)) {
      stop = "foreign"
      break
    }
    at = next
  }
  return {
    end: at,
    oldLines,
    newLines,
    oldBytes,
    newBytes,
    changedLines,
    trailingContext,
    oldEnded,
    newEnded,
    blanks,
    markers,
    stop,
  }
}
