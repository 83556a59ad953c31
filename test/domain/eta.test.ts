import { describe, expect, test } from "bun:test"
import { etaOf, etaText, type Pace, paceOf } from "../../src/domain/eta.ts"
import { counted, spanText } from "../../src/domain/words.ts"

const MINUTE = 60_000
/** Entries of these lengths, one after the other. */
const inTurn = (...times: readonly number[]) => {
  let from = 0
  return times.map((time) => {
    const span = { from, to: from + time }
    from += time
    return span
  })
}

describe("the pace", () => {
  test("of nothing is unknown, and so is every time to come", () => {
    expect(paceOf([])).toBeNull()
    expect(etaOf(null, 3)).toBeNull()
  })

  test("is busy time over entries, however they lie", () => {
    const pace = (spans: Parameters<typeof paceOf>[0]) => paceOf(spans)?.ms_per_entry
    expect(pace(inTurn(10, 20, 30))).toBe(20)
    // Two workers at once are twice as fast.
    expect(pace([...inTurn(20, 20), ...inTurn(20, 20)])).toBe(10)
    // Fifty entries of one batch.
    expect(pace(Array.from({ length: 50 }, () => ({ from: 0, to: 100 })))).toBe(2)
    // A night in between is not work.
    expect(
      pace([
        { from: 0, to: 10 },
        { from: 1e9, to: 1e9 + 10 },
      ]),
    ).toBe(10)
    // One inside another, and order does not matter.
    expect(
      pace([
        { from: 5, to: 6 },
        { from: 0, to: 10 },
      ]),
    ).toBe(5)
  })

  test("survives a clock that was set back", () => {
    expect(paceOf([{ from: 10, to: 5 }])).toEqual({ ms_per_entry: 1, spread: 1, sample: 1 })
  })

  test("says how much entries differ only when it has seen enough of them", () => {
    expect(paceOf(inTurn(10, 10, 10, 10))?.spread).toBe(1)
    expect(paceOf(inTurn(10, 10, 10, 10, 10))?.spread).toBe(0.1)
    expect(paceOf(inTurn(5, 5, 5, 5, 30))?.spread).toBeGreaterThan(1)
  })
})

describe("a time to come", () => {
  const pace: Pace = { ms_per_entry: MINUTE, spread: 0.5, sample: 20 }
  const width = ({ low_ms, high_ms }: NonNullable<ReturnType<typeof etaOf>>) => high_ms / low_ms

  test("grows with what goes before, and its range gets narrower in proportion", () => {
    const [one, ten] = [etaOf(pace, 1)!, etaOf(pace, 10)!]
    expect([one.ms, ten.ms]).toEqual([MINUTE, 10 * MINUTE])
    expect(width(ten)).toBeLessThan(width(one))
    expect(one.low_ms).toBeGreaterThan(0)
  })

  test("is less certain by few entries than by many", () => {
    expect(width(etaOf({ ...pace, sample: 1 }, 10)!)).toBeGreaterThan(width(etaOf(pace, 10)!))
  })

  test("of nothing to do is none", () => expect(etaOf(pace, 0)).toBeNull())

  test("reads as one", () => {
    expect(etaText(etaOf(pace, 10)!)).toBe("about 10 min (8 min to 13 min)")
    expect(etaText({ ms: 400, low_ms: 300, high_ms: 490, sample: 9 })).toBe("less than 1 s")
  })

  // A world of which the truth is known: guards of 1 to 9 minutes, the pace learnt from some, the rest awaited.
  for (const [seen, ahead] of [
    [6, 3],
    [20, 10],
    [60, 40],
  ] as const)
    test(`holds in about eight of ten cases: ${ahead} entries, by a sample of ${seen}`, () => {
      let state = 42
      const chance = () => {
        state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
        return state / 2 ** 32
      }
      const guard = () => Math.round((1 + 8 * chance()) * MINUTE)
      const times = (n: number) => Array.from({ length: n }, guard)
      const RUNS = 2_000
      let held = 0
      for (let run = 0; run < RUNS; run++) {
        const eta = etaOf(paceOf(inTurn(...times(seen))), ahead)!
        const truth = times(ahead).reduce((sum, time) => sum + time, 0)
        if (truth >= eta.low_ms && truth <= eta.high_ms) held++
      }
      expect(held / RUNS).toBeGreaterThan(0.72)
      expect(held / RUNS).toBeLessThan(0.88)
    })
})

describe("words", () => {
  test("one is not many", () => {
    expect([0, 1, 2].map((n) => counted(n, "cast"))).toEqual(["0 casts", "1 cast", "2 casts"])
    expect(counted(1, "entry", "entries")).toBe("1 entry")
    expect(counted(3, "entry", "entries")).toBe("3 entries")
  })

  test("spans in one unit", () => {
    expect([-5, 999, 119_000, 120_000, 7_199_000, 7_200_000, 172_800_000].map(spanText)).toEqual([
      "0 s",
      "1 s",
      "119 s",
      "2 min",
      "120 min",
      "2 h",
      "2 d",
    ])
  })
})
