import { compactChanges } from "./line-compact.ts"

/** Lines `[oldFrom, oldTo)` are replaced by lines `[newFrom, newTo)`; 0-based, ascending, never touching. */
export interface LineEdit {
  readonly oldFrom: number
  readonly oldTo: number
  readonly newFrom: number
  readonly newTo: number
}

/** Steps left over all diffs of one question: below zero the answer is null. 20 million take some 100 ms. */
export interface DiffBudget {
  left: number
}

const isChanged = 1

/** Positions within `[from, to)` whose line also occurs on the other side; the rest are marked as changed at once. */
const shared = (
  ids: Int32Array,
  from: number,
  to: number,
  otherCounts: Int32Array,
  changed: Uint8Array,
): Int32Array => {
  const kept = new Int32Array(to - from)
  let count = 0
  for (let line = from; line < to; line++)
    if (otherCounts[ids[line]!]! > 0) kept[count++] = line
    else changed[line] = isChanged
  return kept.subarray(0, count)
}

/** A point on a shortest path through the middle of the box, by Myers' search from both ends; null when out of budget. */
const middle = (
  left: Int32Array,
  right: Int32Array,
  box: Box,
  forward: Int32Array,
  backward: Int32Array,
  offset: number,
  budget: DiffBudget,
): readonly [number, number] | null => {
  const lowest = box.leftFrom - box.rightTo
  const highest = box.leftTo - box.rightFrom
  const startDiagonal = box.leftFrom - box.rightFrom
  const endDiagonal = box.leftTo - box.rightTo
  const odd = ((startDiagonal - endDiagonal) & 1) !== 0
  let forwardLow = startDiagonal
  let forwardHigh = startDiagonal
  let backwardLow = endDiagonal
  let backwardHigh = endDiagonal
  forward[offset + startDiagonal] = box.leftFrom
  backward[offset + endDiagonal] = box.leftTo
  while (true) {
    if (forwardLow > lowest) forward[offset + --forwardLow - 1] = -1
    else forwardLow += 1
    if (forwardHigh < highest) forward[offset + ++forwardHigh + 1] = -1
    else forwardHigh -= 1
    for (let diagonal = forwardHigh; diagonal >= forwardLow; diagonal -= 2) {
      const below = forward[offset + diagonal - 1]!
      const above = forward[offset + diagonal + 1]!
      let at = below >= above ? below + 1 : above
      const from = at
      while (at < box.leftTo && at - diagonal < box.rightTo && left[at] === right[at - diagonal]) at += 1
      forward[offset + diagonal] = at
      budget.left -= at - from + 1
      if (odd && diagonal >= backwardLow && diagonal <= backwardHigh && backward[offset + diagonal]! <= at)
        return [at, at - diagonal]
    }
    if (backwardLow > lowest) backward[offset + --backwardLow - 1] = 0x7fffffff
    else backwardLow += 1
    if (backwardHigh < highest) backward[offset + ++backwardHigh + 1] = 0x7fffffff
    else backwardHigh -= 1
    for (let diagonal = backwardHigh; diagonal >= backwardLow; diagonal -= 2) {
      const below = backward[offset + diagonal - 1]!
      const above = backward[offset + diagonal + 1]!
      let at = below < above ? below : above - 1
      const from = at
      while (at > box.leftFrom && at - diagonal > box.rightFrom && left[at - 1] === right[at - diagonal - 1])
        at -= 1
      backward[offset + diagonal] = at
      budget.left -= from - at + 1
      if (!odd && diagonal >= forwardLow && diagonal <= forwardHigh && at <= forward[offset + diagonal]!)
        return [at, at - diagonal]
    }
    if (budget.left < 0) return null
  }
}

interface Box {
  readonly leftFrom: number
  readonly leftTo: number
  readonly rightFrom: number
  readonly rightTo: number
}

/** Marks the lines a shortest edit script changes, in linear space; false when out of budget. */
const markChanges = (
  left: Int32Array,
  right: Int32Array,
  mark: (side: "left" | "right", from: number, to: number) => void,
  budget: DiffBudget,
): boolean => {
  const offset = right.length + 1
  const forward = new Int32Array(left.length + right.length + 3)
  const backward = new Int32Array(left.length + right.length + 3)
  const boxes: Box[] = [{ leftFrom: 0, leftTo: left.length, rightFrom: 0, rightTo: right.length }]
  for (let box = boxes.pop(); box !== undefined; box = boxes.pop()) {
    let { leftFrom, leftTo, rightFrom, rightTo } = box
    while (leftFrom < leftTo && rightFrom < rightTo && left[leftFrom] === right[rightFrom]) {
      leftFrom += 1
      rightFrom += 1
    }
    while (leftFrom < leftTo && rightFrom < rightTo && left[leftTo - 1] === right[rightTo - 1]) {
      leftTo -= 1
      rightTo -= 1
    }
    if (leftFrom === leftTo) mark("right", rightFrom, rightTo)
    else if (rightFrom === rightTo) mark("left", leftFrom, leftTo)
    else {
      const point = middle(
        left,
        right,
        { leftFrom, leftTo, rightFrom, rightTo },
        forward,
        backward,
        offset,
        budget,
      )
      if (point === null) return false
      boxes.push(
        { leftFrom: point[0], leftTo, rightFrom: point[1], rightTo },
        { leftFrom, leftTo: point[0], rightFrom, rightTo: point[1] },
      )
    }
  }
  return true
}

const editsOf = (oldChanged: Uint8Array, newChanged: Uint8Array): readonly LineEdit[] => {
  const edits: LineEdit[] = []
  let oldAt = 0
  let newAt = 0
  while (oldAt < oldChanged.length || newAt < newChanged.length) {
    const oldFrom = oldAt
    const newFrom = newAt
    while (oldChanged[oldAt] === isChanged) oldAt += 1
    while (newChanged[newAt] === isChanged) newAt += 1
    if (oldAt > oldFrom || newAt > newFrom) edits.push({ oldFrom, oldTo: oldAt, newFrom, newTo: newAt })
    else {
      oldAt += 1
      newAt += 1
    }
  }
  return edits
}

/** A shortest line diff of two interned texts, its changes as far down as they go; null when out of budget. */
export const diffLines = (
  oldIds: Int32Array,
  newIds: Int32Array,
  distinct: number,
  budget: DiffBudget,
): readonly LineEdit[] | null => {
  const most = Math.min(oldIds.length, newIds.length)
  let head = 0
  while (head < most && oldIds[head] === newIds[head]) head += 1
  let tail = 0
  while (tail < most - head && oldIds[oldIds.length - 1 - tail] === newIds[newIds.length - 1 - tail])
    tail += 1
  const oldTo = oldIds.length - tail
  const newTo = newIds.length - tail
  const oldCounts = new Int32Array(distinct)
  const newCounts = new Int32Array(distinct)
  for (let line = head; line < oldTo; line++) oldCounts[oldIds[line]!]! += 1
  for (let line = head; line < newTo; line++) newCounts[newIds[line]!]! += 1
  const oldChanged = new Uint8Array(oldIds.length)
  const newChanged = new Uint8Array(newIds.length)
  const oldShared = shared(oldIds, head, oldTo, newCounts, oldChanged)
  const newShared = shared(newIds, head, newTo, oldCounts, newChanged)
  const complete = markChanges(
    oldShared.map((line) => oldIds[line]!),
    newShared.map((line) => newIds[line]!),
    (side, from, to) => {
      const lines = side === "left" ? oldShared : newShared
      const changed = side === "left" ? oldChanged : newChanged
      for (let at = from; at < to; at++) changed[lines[at]!] = isChanged
    },
    budget,
  )
  if (!complete) return null
  compactChanges(oldIds, oldChanged, newChanged)
  compactChanges(newIds, newChanged, oldChanged)
  return editsOf(oldChanged, newChanged)
}
