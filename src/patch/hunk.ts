import { fail, ok, type Result } from "../domain/result.ts"
import { isFilePair, isHunkHeader, multipleFiles } from "./header.ts"
import { buildHunk, type Hunk } from "./hunk-body.ts"
import { afterBlanks, type BodyScan, isBoundary, scanBody } from "./hunk-scan.ts"
import { excerpt, type PatchProblem, type Repair } from "./problem.ts"
import { latin1, lineEnd, startsWith } from "./text.ts"

const numbered = /^@@ -(\d{1,15})(?:,(\d{1,15}))? \+(\d{1,15})(?:,(\d{1,15}))? @@/
const headerBytes = 96
const nothing = new Uint8Array(0)

const malformed = (
  hunk: number,
  message: string,
  hint: string,
  line?: Uint8Array,
): Result<never, PatchProblem> =>
  fail({
    code: "malformed_patch",
    message: `Hunk ${hunk}: ${message}`,
    hint,
    ...(hunk === 0 ? {} : { hunk }),
    ...(line === undefined ? {} : { found: excerpt(line) }),
  })

const headerNumbers = (bytes: Uint8Array, from: number, end: number) => {
  const parts = numbered.exec(latin1(bytes, from, Math.min(end, from + headerBytes)))
  return parts === null
    ? null
    : {
        oldStart: Number(parts[1]),
        old: Number(parts[2] ?? 1),
        newStart: Number(parts[3]),
        new: Number(parts[4] ?? 1),
        section: bytes.subarray(from + parts[0].length, end),
      }
}

/** A recount takes every body line up to the next boundary; null counts = none were stated. */
const recount = (
  bytes: Uint8Array,
  start: number,
  end: number,
  number: number,
  short: boolean,
  unfinished: boolean,
): Result<BodyScan, PatchProblem> => {
  const scan = scanBody(bytes, start, end, null)
  const stopped = bytes.subarray(scan.end, end)
  if (scan.stop === "after_end")
    return malformed(
      number,
      "`\\ No newline at end of file` is not at the end of its side.",
      "Put it after the last line of the file only.",
      stopped,
    )
  if (scan.stop === "foreign")
    return malformed(
      number,
      "a body line starts with none of space, `+` and `-`.",
      "Start every body line with one of them.",
      stopped,
    )
  if (short && unfinished && scan.trailingContext === 0 && afterBlanks(bytes, scan.end, end) >= end)
    return malformed(number, "the patch ends in the middle of it.", "It looks cut off: send all of it.")
  return ok(scan)
}

/** Reads every hunk of `bytes[from, end)`, which ends with \n. `unfinished`: the patch came without its last \n. */
export const parseHunks = (
  bytes: Uint8Array,
  from: number,
  end: number,
  unfinished: boolean,
): Result<{ readonly hunks: readonly Hunk[]; readonly repairs: readonly Repair[] }, PatchProblem> => {
  const hunks: Hunk[] = []
  const repairs: Repair[] = []
  let at = from
  while (at < end) {
    const number = hunks.length + 1
    if (!isHunkHeader(bytes, at, end)) {
      if (startsWith(bytes, at, end, "diff --git ") || isFilePair(bytes, at, end)) return fail(multipleFiles)
      return malformed(
        hunks.length,
        "text that is no part of a patch follows.",
        "Send only the diff.",
        bytes.subarray(at, end),
      )
    }
    const start = lineEnd(bytes, at, end)
    const stated = headerNumbers(bytes, at, start - 1)
    const counted = stated === null ? null : scanBody(bytes, start, end, stated)
    let scan: BodyScan
    if (counted?.stop === "counts" && isBoundary(bytes, afterBlanks(bytes, counted.end, end), end)) {
      scan = counted
    } else {
      const again = recount(bytes, start, end, number, counted?.stop === "boundary", unfinished)
      if (!again.ok) return again
      scan = again.value
    }
    if (scan.oldLines + scan.newLines === 0)
      return malformed(number, "it has no lines.", "Write the lines it changes.")
    if (scan.changedLines === 0)
      return fail({
        code: "no_patch",
        message: `Hunk ${number} changes nothing: it has only context lines.`,
        hint: "Leave it out, or mark the changed lines with `-` and `+`.",
        hunk: number,
      })
    if (stated === null)
      repairs.push({ kind: "bare_hunk_header", detail: "the hunk header has no line numbers", hunk: number })
    else if (scan !== counted)
      repairs.push({
        kind: "recount",
        detail: `stated -${stated.old} +${stated.new} lines, has -${scan.oldLines} +${scan.newLines}`,
        hunk: number,
      })
    if (scan.blanks > 0)
      repairs.push({
        kind: "blank_context",
        detail: `${scan.blanks} blank context line(s) without the leading space`,
        hunk: number,
      })
    hunks.push(
      buildHunk(bytes, start, scan, {
        oldStart: stated?.oldStart ?? null,
        newStart: stated?.newStart ?? null,
        section: stated?.section ?? nothing,
      }),
    )
    at = afterBlanks(bytes, scan.end, end)
    if (at > scan.end)
      repairs.push({ kind: "stray_blank_lines", detail: "blank lines after the hunk", hunk: number })
  }
  return ok({ hunks, repairs })
}
