import { fail, ok, type Result } from "../domain/result.ts"
import { type Hunk, statedLine } from "./hunk-body.ts"
import { internLines } from "./lines.ts"
import { findLines, occurrencesOf } from "./locate.ts"
import { mismatch } from "./mismatch.ts"
import type { PatchProblem, Repair } from "./problem.ts"
import { matchesAt } from "./text.ts"

/** A hunk with its place in the base: 0-based first line, byte range of its pre-image. */
export interface PlacedHunk {
  readonly hunk: Hunk
  readonly line: number
  readonly from: number
  readonly to: number
}

const searchSteps = 20_000_000

const fits = (base: Uint8Array, hunk: Hunk, from: number): boolean => {
  const to = from + hunk.pre.length
  if ((hunk.oldEnded || hunk.newEnded) && to !== base.length) return false
  if (hunk.oldLines === 0 && from > 0 && base[from - 1] !== 10) return false
  return matchesAt(base, from, hunk.pre)
}

const tooLarge: PatchProblem = {
  code: "too_large",
  message: "Finding the place of the patch's hunks would take too long.",
  hint: "State correct line numbers: then nothing has to be searched.",
}

/** Which hunks fit where they say; null marks those that do not. Hunks are ascending. */
const placeStated = (base: Uint8Array, hunks: readonly Hunk[]): (PlacedHunk | null)[] => {
  let line = 0
  let from = 0
  return hunks.map((hunk) => {
    const wanted = statedLine(hunk)
    if (wanted === null || wanted < line) return null
    while (line < wanted && from < base.length) {
      const end = base.indexOf(10, from)
      from = end < 0 ? base.length : end + 1
      line += 1
    }
    if (line < wanted || !fits(base, hunk, from)) return null
    const placed = { hunk, line, from, to: from + hunk.pre.length }
    line += hunk.oldLines
    from = placed.to
    return placed
  })
}

/**
 * Finds every hunk's place. A hunk that is not where it says may be moved to the one place where its whole
 * pre-image stands; as soon as one number is wrong none is evidence any more, so then every hunk must be unique.
 */
export const placeHunks = (
  path: string,
  base: Uint8Array,
  hunks: readonly Hunk[],
  isBaseOfPatch: () => boolean,
): Result<{ readonly placed: readonly PlacedHunk[]; readonly repairs: readonly Repair[] }, PatchProblem> => {
  const placed = placeStated(base, hunks)
  const repairs: Repair[] = []
  if (placed.includes(null)) {
    const distrusted = placed.some((place, at) => place === null && hunks[at]!.oldStart !== null)
    const interned = internLines([base, ...hunks.map((hunk) => hunk.pre)])
    if (interned === null) return fail(tooLarge)
    const text = interned.texts[0]!
    const occurrences = occurrencesOf(text, interned.distinct)
    const budget = { left: searchSteps }
    for (const [at, hunk] of hunks.entries()) {
      if (placed[at] !== null && !distrusted) continue
      const pattern = interned.texts[at + 1]!
      const found =
        hunk.oldLines > 0 ? findLines(text, occurrences, pattern, budget) : base.length === 0 ? [0] : []
      if (budget.left < 0) return fail(tooLarge)
      const line = found[0]
      const from = line === undefined ? 0 : text.starts[line]!
      if (found.length !== 1 || line === undefined || !fits(base, hunk, from))
        return fail(mismatch(path, text, base, hunk, at + 1, pattern, found, placed[at] !== null))
      if (statedLine(hunk) !== null && statedLine(hunk) !== line)
        repairs.push({
          kind: "relocation",
          detail: `stated line ${hunk.oldStart}, unique at line ${line + 1}`,
          hunk: at + 1,
        })
      placed[at] = { hunk, line, from, to: from + hunk.pre.length }
    }
  }
  const complete = placed.filter((place) => place !== null)
  for (const [at, place] of complete.entries()) {
    const before = complete[at - 1]
    if (before !== undefined && place.from < before.to)
      return fail({
        code: "hunk_order",
        message: `Hunk ${at + 1} belongs before the end of hunk ${at}.`,
        hint: "Write the hunks in the order of the file, without overlap.",
        hunk: at + 1,
      })
    if (place.hunk.oldLines === 0 && base.length > 0 && !isBaseOfPatch())
      return fail({
        code: "corrupt_patch",
        message: `Hunk ${at + 1} adds lines to ${path} without any context: nothing proves their place.`,
        hint: "Add the unchanged lines around them, each with a leading space.",
        hunk: at + 1,
      })
  }
  return ok({ placed: complete, repairs })
}
