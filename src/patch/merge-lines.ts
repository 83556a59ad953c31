import type { LineEdit } from "./line-diff.ts"
import { diffLines } from "./line-diff.ts"
import { type InternedText, internLines } from "./lines.ts"

const diffSteps = 20_000_000
/** Changes with at most this many unchanged lines between them share a hunk in a diff with 3 lines of context. */
const hunkGap = 6

/** Where the two sides disagree: line ranges of each text, 0-based, end exclusive. */
export interface LineConflict {
  readonly kind: "conflict"
  /** 1-based number of the hunk that `git diff` gives the change of theirs. */
  readonly hunk: number
  readonly base: readonly [number, number]
  readonly ours: readonly [number, number]
  readonly theirs: readonly [number, number]
  readonly texts: readonly [InternedText, InternedText, InternedText]
}

export type LineMerge =
  | { readonly kind: "merged"; readonly bytes: Uint8Array }
  | { readonly kind: "too_large" }
  | LineConflict

const sameLines = (
  left: Int32Array,
  [leftFrom, leftTo]: readonly [number, number],
  right: Int32Array,
  [rightFrom, rightTo]: readonly [number, number],
): boolean => {
  if (leftTo - leftFrom !== rightTo - rightFrom) return false
  for (let line = leftFrom; line < leftTo; line++)
    if (left[line] !== right[rightFrom + line - leftFrom]) return false
  return true
}

const hunkOf = (edits: readonly LineEdit[], at: number): number => {
  let hunk = 1
  for (let next = 1; next <= at && next < edits.length; next++)
    if (edits[next]!.oldFrom - edits[next - 1]!.oldTo > hunkGap) hunk += 1
  return hunk
}

/**
 * Three-way merge by lines: the edits of both sides, each against the base. Edits that overlap or touch are a conflict
 * unless both sides come to the same lines. No search, no similarity.
 */
export const mergeLines = (base: Uint8Array, ours: Uint8Array, theirs: Uint8Array): LineMerge => {
  const interned = internLines([base, ours, theirs])
  if (interned === null) return { kind: "too_large" }
  const [baseText, oursText, theirsText] = interned.texts as [InternedText, InternedText, InternedText]
  const budget = { left: diffSteps }
  const oursEdits = diffLines(baseText.ids, oursText.ids, interned.distinct, budget)
  const theirsEdits =
    oursEdits === null ? null : diffLines(baseText.ids, theirsText.ids, interned.distinct, budget)
  if (oursEdits === null || theirsEdits === null) return { kind: "too_large" }

  const merged = new Uint8Array(ours.length + theirs.length)
  let length = 0
  const take = (bytes: Uint8Array, text: InternedText, from: number, to: number): void => {
    const part = bytes.subarray(text.starts[from]!, text.starts[to]!)
    merged.set(part, length)
    length += part.length
  }
  let line = 0
  let oursAt = 0
  let theirsAt = 0
  let oursShift = 0
  let theirsShift = 0
  while (oursAt < oursEdits.length || theirsAt < theirsEdits.length) {
    const oursFirst = oursAt
    const theirsFirst = theirsAt
    const from = Math.min(
      oursEdits[oursAt]?.oldFrom ?? Number.POSITIVE_INFINITY,
      theirsEdits[theirsAt]?.oldFrom ?? Number.POSITIVE_INFINITY,
    )
    let to = from
    let growing = true
    while (growing) {
      growing = false
      for (
        let edit = oursEdits[oursAt];
        edit !== undefined && edit.oldFrom <= to;
        edit = oursEdits[++oursAt]
      ) {
        to = Math.max(to, edit.oldTo)
        growing = true
      }
      for (
        let edit = theirsEdits[theirsAt];
        edit !== undefined && edit.oldFrom <= to;
        edit = theirsEdits[++theirsAt]
      ) {
        to = Math.max(to, edit.oldTo)
        growing = true
      }
    }
    const oursFrom = from + oursShift
    const theirsFrom = from + theirsShift
    const lastOurs = oursEdits[oursAt - 1]
    const lastTheirs = theirsEdits[theirsAt - 1]
    if (oursAt > oursFirst && lastOurs !== undefined) oursShift = lastOurs.newTo - lastOurs.oldTo
    if (theirsAt > theirsFirst && lastTheirs !== undefined) theirsShift = lastTheirs.newTo - lastTheirs.oldTo
    const oursRange = [oursFrom, to + oursShift] as const
    const theirsRange = [theirsFrom, to + theirsShift] as const
    take(base, baseText, line, from)
    if (theirsAt === theirsFirst) take(ours, oursText, ...oursRange)
    else if (oursAt === oursFirst || sameLines(oursText.ids, oursRange, theirsText.ids, theirsRange))
      take(theirs, theirsText, ...theirsRange)
    else
      return {
        kind: "conflict",
        hunk: hunkOf(theirsEdits, theirsFirst),
        base: [from, to],
        ours: oursRange,
        theirs: theirsRange,
        texts: [baseText, oursText, theirsText],
      }
    line = to
  }
  take(base, baseText, line, baseText.ids.length)
  return { kind: "merged", bytes: merged.slice(0, length) }
}
