import { describe, expect, test } from "bun:test"
import * as fc from "effect/FastCheck"
import {
  FIRST_SIZING,
  MAX_GROUP,
  type Member,
  nextGroup,
  type Sizing,
  sized,
} from "../../src/worker/group.ts"

const member = (id: number, paths: readonly string[], dependsOn: readonly string[] = []): Member => ({
  id,
  task: `t${id}`,
  dependsOn,
  paths,
})
const ids = (group: readonly Member[]) => group.map(({ id }) => id)
const wide: Sizing = { cap: MAX_GROUP, suspects: [] }

describe("who is proven together", () => {
  test("entries whose files are apart; the second of a file waits, and so does what stands on it", () => {
    const ready = [member(1, ["a"]), member(2, ["a"]), member(3, ["b"]), member(4, ["c"], ["t2"])]
    expect(ids(nextGroup(ready, wide, 50))).toEqual([1, 3])
  })

  test("a file and what would lie below it are not apart", () => {
    expect(ids(nextGroup([member(1, ["src/a"]), member(2, ["src"])], wide, 50))).toEqual([1])
    expect(ids(nextGroup([member(1, ["src"]), member(2, ["src/a/b"])], wide, 50))).toEqual([1])
    expect(ids(nextGroup([member(1, ["src"]), member(2, ["srcs/a"])], wide, 50))).toEqual([1, 2])
  })

  test("who depends on another comes with it, on the same file too, and never without it", () => {
    const ready = [member(1, ["a"]), member(2, ["a"], ["t1"]), member(3, ["b"], ["t2"])]
    expect(ids(nextGroup(ready, wide, 50))).toEqual([1, 2, 3])
    expect(ids(nextGroup(ready, { cap: 1, suspects: [] }, 50))).toEqual([1])
    // A task that is not in the line has landed.
    expect(ids(nextGroup([member(3, ["b"], ["t2"])], wide, 50))).toEqual([3])
  })

  test("no more than the cap, the policy's batch and the most of all", () => {
    const ready = Array.from({ length: 40 }, (_, n) => member(n, [`f${n}`]))
    expect(nextGroup(ready, FIRST_SIZING, 50)).toHaveLength(FIRST_SIZING.cap)
    expect(nextGroup(ready, FIRST_SIZING, 3)).toHaveLength(3)
    expect(nextGroup(ready, { cap: 99, suspects: [] }, 50)).toHaveLength(MAX_GROUP)
  })

  test("after red, half of the suspects, however many others there are", () => {
    const ready = Array.from({ length: 12 }, (_, n) => member(n, [`f${n}`]))
    const red = sized({ cap: 12, suspects: [] }, [2, 3, 4, 5, 6], false)
    expect(ids(nextGroup(ready, red, 50))).toEqual([2, 3])
    const half = sized(red, [2, 3], true)
    expect(half.suspects).toEqual([4, 5, 6])
    expect(ids(nextGroup(ready, half, 50))).toEqual([4])
    // The verdict on one ends the search.
    expect(sized(half, [4], false).suspects).toEqual([])
  })

  test("a suspect that is gone for good does not keep groups small for ever", () => {
    let sizing = sized({ cap: 2, suspects: [] }, [1, 2], false)
    // The other one was cancelled, or landed by its own proof.
    sizing = sized(sizing, [1], true)
    const sizes: number[] = []
    for (let from = 10; from < 100; from += 20) {
      const group = nextGroup(
        Array.from({ length: 20 }, (_, n) => member(from + n, [`f${n}`])),
        sizing,
        50,
      )
      sizes.push(group.length)
      sizing = sized(sizing, ids(group), true)
    }
    expect(sizes).toEqual([1, 3, 5, 7, 9])
  })

  test("suspects that are gone are no suspects", () => {
    const ready = [member(1, ["a"]), member(2, ["b"])]
    expect(ids(nextGroup(ready, { cap: 8, suspects: [77, 78] }, 50))).toEqual([1, 2])
  })
})

/** Entries with few paths and dependencies on earlier ones. */
const entries = fc.array(
  fc.record({
    paths: fc.uniqueArray(fc.constantFrom("a", "b", "c/d", "c", "e/f/g", "h", "i", "j", "k", "l"), {
      minLength: 1,
      maxLength: 3,
    }),
    on: fc.option(fc.nat(30), { nil: null }),
  }),
  { minLength: 1, maxLength: 30 },
)
const membersOf = (drawn: readonly { readonly paths: string[]; readonly on: number | null }[]) =>
  drawn.map(({ paths, on }, id) => member(id, paths, on !== null && on < id ? [`t${on}`] : []))
const apart = (left: Member, right: Member) =>
  left.paths.every((one) =>
    right.paths.every(
      (other) => one !== other && !one.startsWith(`${other}/`) && !other.startsWith(`${one}/`),
    ),
  )

test("property: in order, never empty, complete, and apart from everybody before them", () => {
  fc.assert(
    fc.property(
      entries,
      fc.integer({ min: 1, max: 20 }),
      fc.array(fc.nat(30), { maxLength: 8 }),
      (drawn, cap, suspects) => {
        const ready = membersOf(drawn)
        const group = nextGroup(ready, { cap, suspects }, 50)
        expect(group.length).toBeGreaterThan(0)
        const chosen = new Set(ids(group))
        expect(ids(group)).toEqual(ids(ready.filter(({ id }) => chosen.has(id))))
        for (const one of group) {
          for (const task of one.dependsOn)
            if (ready.some((other) => other.task === task))
              expect(chosen.has(Number(task.slice(1)))).toBe(true)
          for (const other of ready.filter(({ id }) => id < one.id))
            if (!apart(one, other)) expect(one.dependsOn).toContain(other.task)
        }
      },
    ),
    { numRuns: 2_000 },
  )
})

test("property: whoever is red on its own is found, everybody else lands, in a bounded number of runs", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 60 }),
      fc.array(fc.nat(59), { maxLength: 6 }),
      fc.option(fc.tuple(fc.nat(59), fc.nat(59)), { nil: null }),
      (count, culprits, pair) => {
        let ready = Array.from({ length: count }, (_, n) => member(n, [`f${n}`]))
        const bad = new Set(culprits.filter((n) => n < count))
        const landed = new Set<number>()
        const failed = new Set<number>()
        let sizing = FIRST_SIZING
        let runs = 0
        while (ready.length > 0) {
          runs++
          expect(runs).toBeLessThan(count * 3 + 20)
          const group = nextGroup(ready, sizing, 50)
          const seen = new Set([...landed, ...ids(group)])
          const clash = pair !== null && pair[0] !== pair[1] && seen.has(pair[0]) && seen.has(pair[1])
          const isGreen = !clash && group.every(({ id }) => !bad.has(id))
          sizing = sized(sizing, ids(group), isGreen)
          if (!isGreen && group.length > 1) continue
          for (const { id } of group) (isGreen ? landed : failed).add(id)
          ready = ready.filter(({ id }) => !landed.has(id) && !failed.has(id))
        }
        for (const id of bad) expect(failed.has(id)).toBe(true)
        // Of two that do not go together one is refused, unless the other was bad anyway.
        expect(failed.size - bad.size).toBeLessThanOrEqual(pair === null ? 0 : 1)
        if (bad.size === 1 && pair === null) expect(runs).toBeLessThanOrEqual(Math.ceil(count / 4) + 14)
      },
    ),
    { numRuns: 1_000 },
  )
})
