import type { BodyScan } from "./hunk-scan.ts"
import { encode, lineEnd } from "./text.ts"

const space = 32
const plus = 43
const minus = 45
const backslash = 92
const marker = encode("\\ No newline at end of file\n")

/** One hunk. `pre` and `post` are the exact bytes it takes away and puts there, context included. */
export interface Hunk {
  /** Line numbers as its header states them (1-based; the line before for an empty side). null = a bare `@@`. */
  readonly oldStart: number | null
  readonly newStart: number | null
  readonly oldLines: number
  readonly newLines: number
  /** What follows the closing `@@`, its space included. */
  readonly section: Uint8Array
  /** The body lines in canonical form: prefix characters, `\ No newline` markers, ending with \n. */
  readonly body: Uint8Array
  readonly pre: Uint8Array
  readonly post: Uint8Array
  readonly trailingContext: number
  /** Whether that side's last line ends the file without a newline. */
  readonly oldEnded: boolean
  readonly newEnded: boolean
}

/** 0-based line a header states; -1 for `-0,n` with lines to match, which no place satisfies. */
export const statedLine = (hunk: Hunk): number | null =>
  hunk.oldStart === null ? null : hunk.oldLines === 0 ? hunk.oldStart : hunk.oldStart - 1

const canonicalBody = (bytes: Uint8Array, start: number, scan: BodyScan): Uint8Array => {
  if (scan.blanks === 0 && scan.markers === 0) return bytes.subarray(start, scan.end)
  const body = new Uint8Array(scan.end - start + scan.blanks + scan.markers * marker.length)
  let write = 0
  let at = start
  while (at < scan.end) {
    const next = lineEnd(bytes, at, scan.end)
    const byte = bytes[at]!
    if (byte === backslash) {
      body.set(marker, write)
      write += marker.length
    } else {
      if (byte === 10 || byte === 13) body[write++] = space
      while (at < next) body[write++] = bytes[at++]!
    }
    at = next
  }
  return body.subarray(0, write)
}

/** Splits a scanned body into its two sides. */
export const buildHunk = (
  bytes: Uint8Array,
  start: number,
  scan: BodyScan,
  header: Pick<Hunk, "oldStart" | "newStart" | "section">,
): Hunk => {
  const body = canonicalBody(bytes, start, scan)
  const pre = new Uint8Array(scan.oldBytes)
  const post = new Uint8Array(scan.newBytes)
  const end = body.length
  let preAt = 0
  let postAt = 0
  let at = 0
  while (at < end) {
    const kind = body[at++]!
    if (kind === space) {
      let byte: number
      do {
        byte = body[at++]!
        pre[preAt++] = byte
        post[postAt++] = byte
      } while (byte !== 10)
    } else if (kind === minus) {
      do pre[preAt++] = body[at]!
      while (body[at++] !== 10)
    } else if (kind === plus) {
      do post[postAt++] = body[at]!
      while (body[at++] !== 10)
    } else {
      at = lineEnd(body, at, end)
    }
  }
  return {
    ...header,
    oldLines: scan.oldLines,
    newLines: scan.newLines,
    body,
    pre,
    post,
    trailingContext: scan.trailingContext,
    oldEnded: scan.oldEnded,
    newEnded: scan.newEnded,
  }
}
