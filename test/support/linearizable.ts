/** One call of a process, as it saw it. */
export interface Operation<Call, Answer> {
  readonly process: string
  readonly call: Call
  /** Undefined: the process died before it had an answer. The call may have taken effect, then or later, or never. */
  readonly answer: Answer | undefined
  /** Just before the call, just after the answer; in any unit, of one clock that all processes share. */
  readonly from: number
  readonly to: number
}

/** What one process alone would see. */
export interface Specification<State, Call, Answer> {
  readonly initial: State
  /** The state after a call; null when the specification would have answered something else. */
  readonly step: (state: State, call: Call, answer: Answer | undefined) => State | null
  /** Equal for states that nobody can tell apart. */
  readonly key: (state: State) => string
}

export type Verdict<Call, Answer> =
  | { readonly ok: true; readonly steps: number }
  | {
      readonly ok: false
      readonly steps: number
      /** `undecided`: there was no end to the search within its bound. That is no proof of anything. */
      readonly why: "impossible" | "undecided"
      /** How many calls the best order explains, and those one of which would have had to come next. */
      readonly explained: number
      readonly stuck: readonly Operation<Call, Answer>[]
    }

interface Node<State> {
  readonly state: State
  /** Calls that may come next, best first, and how many of them were tried. */
  readonly next: readonly number[]
  tried: number
}

/**
 * Whether there is one order of all calls in which a call that ended before another began stands before it, and in which
 * the specification gives every answer that was seen. The search of Wing and Gong, with Lowe's memory of what was tried.
 * A call without an answer may stand anywhere behind its beginning, or be left out.
 */
export const linearizable = <State, Call, Answer>(
  history: readonly Operation<Call, Answer>[],
  { initial, step, key }: Specification<State, Call, Answer>,
  maxSteps = 2_000_000,
): Verdict<Call, Answer> => {
  const byStart = history.toSorted((left, right) => left.from - right.from)
  const placed = byStart.map(() => false)
  const isAnswered = byStart.map(({ answer }) => answer !== undefined)
  const unanswered = byStart.flatMap((_, index) => (isAnswered[index] ? [] : [index]))
  let left = byStart.length - unanswered.length
  /** Every answered call before this one is placed. */
  let first = 0

  const candidates = (): readonly number[] => {
    // Whoever has answered first must be placed before anybody who began after that.
    let horizon = Number.POSITIVE_INFINITY
    const found: number[] = []
    for (let index = first; index < byStart.length && byStart[index]!.from <= horizon; index++) {
      if (placed[index] || !isAnswered[index]) continue
      found.push(index)
      horizon = Math.min(horizon, byStart[index]!.to)
    }
    // What may never have happened comes last: it is needed rarely.
    return [...found, ...unanswered.filter((index) => !placed[index] && byStart[index]!.from <= horizon)]
  }
  const mark = (index: number, value: boolean): void => {
    placed[index] = value
    if (isAnswered[index]) left += value ? -1 : 1
    if (!value) first = Math.min(first, index)
    while (first < byStart.length && (placed[first] || !isAnswered[first])) first++
  }
  /** No call from here on was ever placed. */
  let furthest = 0
  /** What is placed, and what came of it: whoever comes here again need not go on. */
  const configuration = (state: State): string => {
    const ahead: number[] = []
    for (let index = first; index < furthest; index++)
      if (placed[index] && isAnswered[index]) ahead.push(index)
    return `${first} ${ahead} ${unanswered.filter((index) => placed[index])} ${Bun.hash(key(state))}`
  }

  const seen = new Set<string>()
  const order: number[] = []
  const path: Node<State>[] = [{ state: initial, next: candidates(), tried: 0 }]
  let steps = 0
  let explained = -1
  let stuck: readonly number[] = []
  for (;;) {
    if (left === 0) return { ok: true, steps }
    const node = path.at(-1)
    if (!node || steps >= maxSteps) {
      const why = node ? "undecided" : "impossible"
      return { ok: false, steps, why, explained, stuck: stuck.map((index) => byStart[index]!) }
    }
    if (order.length > explained) {
      explained = order.length
      stuck = node.next
    }
    const index = node.next[node.tried++]
    if (index === undefined) {
      path.pop()
      const last = order.pop()
      if (last !== undefined) mark(last, false)
      continue
    }
    steps++
    const { call, answer } = byStart[index]!
    const state = step(node.state, call, answer)
    if (state === null) continue
    mark(index, true)
    furthest = Math.max(furthest, index + 1)
    const now = configuration(state)
    if (seen.has(now)) {
      mark(index, false)
      continue
    }
    seen.add(now)
    order.push(index)
    path.push({ state, next: candidates(), tried: 0 })
  }
}
