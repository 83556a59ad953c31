/** A run of changed lines `[start, end)`, perhaps empty: one stands before, between and after all unchanged lines. */
interface Run {
  start: number
  end: number
}

const firstRun = (changed: Uint8Array): Run => {
  const run = { start: 0, end: 0 }
  while (changed[run.end] === 1) run.end += 1
  return run
}

const nextRun = (changed: Uint8Array, run: Run): boolean => {
  if (run.end >= changed.length) return false
  run.start = run.end + 1
  run.end = run.start
  while (changed[run.end] === 1) run.end += 1
  return true
}

const previousRun = (changed: Uint8Array, run: Run): void => {
  run.end = run.start - 1
  run.start = run.end
  while (run.start > 0 && changed[run.start - 1] === 1) run.start -= 1
}

/** Moves the run one line up when that gives the same text, taking in a run it then touches. */
const slideUp = (ids: Int32Array, changed: Uint8Array, run: Run): boolean => {
  if (run.start === 0 || ids[run.start - 1] !== ids[run.end - 1]) return false
  changed[--run.start] = 1
  changed[--run.end] = 0
  while (run.start > 0 && changed[run.start - 1] === 1) run.start -= 1
  return true
}

const slideDown = (ids: Int32Array, changed: Uint8Array, run: Run): boolean => {
  if (run.end >= ids.length || ids[run.start] !== ids[run.end]) return false
  changed[run.start++] = 0
  changed[run.end++] = 1
  while (changed[run.end] === 1) run.end += 1
  return true
}

/**
 * Moves every run of changed lines of one side as far down as it goes, or back up to the last place where the other
 * side changes too. Git puts changes there, so a merge meets the same edits as `git merge-file`.
 */
export const compactChanges = (ids: Int32Array, changed: Uint8Array, other: Uint8Array): void => {
  const run = firstRun(changed)
  const opposite = firstRun(other)
  do {
    if (run.end > run.start) {
      let size: number
      let highestEnd: number
      let meets: boolean
      do {
        size = run.end - run.start
        meets = false
        while (slideUp(ids, changed, run)) previousRun(other, opposite)
        highestEnd = run.end
        if (opposite.end > opposite.start) meets = true
        while (slideDown(ids, changed, run)) {
          nextRun(other, opposite)
          if (opposite.end > opposite.start) meets = true
        }
      } while (size !== run.end - run.start)
      if (run.end !== highestEnd && meets)
        while (opposite.end === opposite.start) {
          slideUp(ids, changed, run)
          previousRun(other, opposite)
        }
    }
    nextRun(other, opposite)
  } while (nextRun(changed, run))
}
