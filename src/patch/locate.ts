import type { InternedText } from "./lines.ts"

/** Where each id stands in a text: positions of id `i` are `at[from[i]]` … `at[from[i + 1] - 1]`, ascending. */
export interface Occurrences {
  readonly from: Int32Array
  readonly at: Int32Array
}

export const occurrencesOf = (text: InternedText, distinct: number): Occurrences => {
  const from = new Int32Array(distinct + 2)
  for (const id of text.ids) from[id + 2]! += 1
  for (let id = 1; id < from.length; id++) from[id]! += from[id - 1]!
  const at = new Int32Array(text.ids.length)
  for (let line = 0; line < text.ids.length; line++) at[from[text.ids[line]! + 1]!++] = line
  return { from, at }
}

/** Line comparisons left for all searches in one patch; below zero the patch is refused. */
export interface SearchBudget {
  left: number
}

/**
 * The first lines (0-based, at most two) at which all of `pattern` stands in `text`. Only places around the
 * pattern's rarest line are looked at.
 */
export const findLines = (
  text: InternedText,
  occurrences: Occurrences,
  pattern: InternedText,
  budget: SearchBudget,
): readonly number[] => {
  const size = pattern.ids.length
  const lines = text.ids.length
  let rarest = 0
  let fewest = Number.POSITIVE_INFINITY
  for (let line = 0; line < size && fewest > 1; line++) {
    const id = pattern.ids[line]!
    const count = occurrences.from[id + 1]! - occurrences.from[id]!
    if (count === 0) return []
    if (count < fewest) {
      fewest = count
      rarest = line
    }
  }
  const found: number[] = []
  const id = pattern.ids[rarest]!
  for (let next = occurrences.from[id]!; next < occurrences.from[id + 1]!; next++) {
    const start = occurrences.at[next]! - rarest
    if (start < 0 || start + size > lines) continue
    let same = 0
    while (same < size && text.ids[start + same] === pattern.ids[same]) same += 1
    budget.left -= same + 1
    if (same === size) found.push(start)
    if (found.length === 2 || budget.left < 0) break
  }
  return found
}
