import { type Hunk, statedLine } from "./hunk-body.ts"
import type { InternedText } from "./lines.ts"
import { excerpt, type PatchProblem } from "./problem.ts"

const candidates = 64

/** Start line with the longest run of equal lines, among the stated one and where the first line stands. */
const nearest = (text: InternedText, pattern: InternedText, stated: number | null) => {
  let best = { start: Math.max(stated ?? 0, 0), same: -1 }
  const consider = (start: number) => {
    let same = 0
    while (same < pattern.ids.length && text.ids[start + same] === pattern.ids[same]) same += 1
    if (same > best.same) best = { start, same }
  }
  if (stated !== null && stated >= 0) consider(stated)
  let left = candidates
  for (let line = text.ids.indexOf(pattern.ids[0] ?? -1); line >= 0 && left > 0; left--) {
    consider(line)
    line = text.ids.indexOf(pattern.ids[0]!, line + 1)
  }
  return { start: best.start, same: Math.max(best.same, 0) }
}

const lineOf = (bytes: Uint8Array, starts: Int32Array, line: number): Uint8Array =>
  bytes.subarray(starts[line]!, starts[line + 1]!)

/** The refusal of a hunk whose pre-image is not where it must be, with the first line that differs. */
export const mismatch = (
  path: string,
  text: InternedText,
  base: Uint8Array,
  hunk: Hunk,
  number: number,
  pattern: InternedText,
  found: readonly number[],
  statedFits: boolean,
): PatchProblem => {
  if (found.length > 1)
    return {
      code: "corrupt_patch",
      message: statedFits
        ? `Another hunk's line number is wrong, and the lines of hunk ${number} stand at more than one place in ${path}.`
        : `The lines of hunk ${number} are not at its line number and stand at more than one place in ${path}.`,
      hint: "Correct the line numbers, or add context lines until the place is the only one.",
      hunk: number,
      line: found[0]! + 1,
    }
  const { start, same } = nearest(text, pattern, statedLine(hunk))
  const line = start + same
  const expected = same < pattern.ids.length ? lineOf(hunk.pre, pattern.starts, same) : null
  const actual = line < text.ids.length ? lineOf(base, text.starts, line) : null
  const only = expected !== null && actual !== null ? excerpt(expected) === excerpt(actual) : false
  return {
    code: "corrupt_patch",
    message: `Hunk ${number} does not match ${path}: line ${line + 1} differs.`,
    hint: only
      ? "The line differs only in its end or far behind: see CR, tabs, trailing spaces, and `\\ No newline at end of file`."
      : "Read the file as it is now and copy the unchanged lines exactly.",
    hunk: number,
    line: line + 1,
    expected: expected === null ? "(end of the hunk)" : excerpt(expected),
    found: actual === null ? "(end of the file)" : excerpt(actual),
  }
}
