/** Optimal string alignment distance: insertions, deletions, substitutions and neighbouring swaps count 1 each. */
const distance = (a: string, b: string): number => {
  let beforeLast: number[] = []
  let last = Array.from({ length: b.length + 1 }, (_, column) => column)
  for (let row = 1; row <= a.length; row++) {
    const current = [row]
    for (let column = 1; column <= b.length; column++) {
      const substitution = last[column - 1]! + (a[row - 1] === b[column - 1] ? 0 : 1)
      let best = Math.min(substitution, last[column]! + 1, current[column - 1]! + 1)
      if (row > 1 && column > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1]) {
        best = Math.min(best, beforeLast[column - 2]! + 1)
      }
      current.push(best)
    }
    beforeLast = last
    last = current
  }
  return last[b.length]!
}

const LONGEST_WORTH_COMPARING = 64

/**
 * The known word that `typed` most likely means: at most a third of it wrong, or its only completion.
 * Undefined when nothing is near.
 */
export const nearest = (typed: string, known: readonly string[]): string | undefined => {
  const word = typed.toLowerCase()
  if (word === "" || word.length > LONGEST_WORTH_COMPARING) return undefined
  const near = known
    .map((candidate) => ({ candidate, far: distance(word, candidate.toLowerCase()) }))
    .filter(
      ({ candidate, far }) => far <= Math.max(1, Math.floor(Math.max(word.length, candidate.length) / 3)),
    )
    .sort((a, b) => a.far - b.far)
  const best = near[0]?.candidate
  if (best !== undefined) return best
  const completions = known.filter((candidate) => candidate.startsWith(word))
  return completions.length === 1 ? completions[0] : undefined
}

/** ` (did you mean X?)`, or nothing. */
export const didYouMean = (typed: string, known: readonly string[]): string => {
  const word = nearest(typed, known)
  return word === undefined ? "" : ` (did you mean ${word}?)`
}
