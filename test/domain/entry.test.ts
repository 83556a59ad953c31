import { describe, expect, test } from "bun:test"
import * as FastCheck from "effect/FastCheck"
import {
  decodeCounts,
  type EntryState,
  encodeCounts,
  isLive,
  LEASED,
  NO_COUNTS,
  originalStatus,
  STATES,
  TERMINAL,
  TRANSITIONS,
  transition,
} from "../../src/domain/entry.ts"

/** How an entry may begin: at once, or at its `run_at`. */
const INITIAL: readonly EntryState[] = ["pending", "scheduled"]

describe("transition table", () => {
  test("every state is reachable", () => {
    const reached = new Set(INITIAL)
    for (let size = 0; size !== reached.size; ) {
      size = reached.size
      for (const { from, to } of TRANSITIONS) if (reached.has(from)) reached.add(to)
    }
    expect([...reached].sort()).toEqual([...STATES].sort())
  })

  test("every live state can still end, as landed and as not landed", () => {
    const ends = (goal: EntryState) => {
      const able = new Set([goal])
      for (let size = 0; size !== able.size; ) {
        size = able.size
        for (const { from, to } of TRANSITIONS) if (able.has(to)) able.add(from)
      }
      return able
    }
    for (const state of STATES.filter(isLive)) {
      expect(ends("applied").has(state)).toBe(true)
      expect(ends("failed").has(state) || ends("conflict").has(state)).toBe(true)
    }
  })

  test("terminal states have no exit but requeue", () => {
    expect(TRANSITIONS.filter(({ from }) => TERMINAL.has(from))).toEqual([
      { from: "failed", to: "pending", event: "requeued", when: expect.any(String) },
    ])
    expect([...TERMINAL].filter(isLive)).toEqual([])
  })

  test("a lease begins only by leasing or by starting to land, and only leased states have lease events", () => {
    expect([...LEASED].sort()).toEqual(["committing", "in_progress"])
    expect(
      TRANSITIONS.filter(({ to }) => LEASED.has(to))
        .map(({ event }) => event)
        .sort(),
    ).toEqual(["committing", "leased"])
    for (const { from, event } of TRANSITIONS)
      if (event === "lease_reclaimed" || event === "given_back") expect(LEASED.has(from)).toBe(true)
  })

  test("nothing expires or is withdrawn while it is being landed", () => {
    const events = TRANSITIONS.filter(({ from }) => from === "committing").map(({ event }) => event)
    expect(events.sort()).toEqual(["applied", "foreign_edit", "undone"])
  })

  test("one event leads from one state to one state, and transition() agrees with the table", () => {
    const keys = TRANSITIONS.map(({ from, event }) => `${from} ${event}`)
    expect(new Set(keys).size).toBe(keys.length)
    const events = [...new Set(TRANSITIONS.map(({ event }) => event)), "unheard_of", ""]
    for (const from of STATES)
      for (const event of events)
        expect(transition(from, event)).toBe(
          TRANSITIONS.find((row) => row.from === from && row.event === event)?.to ?? null,
        )
  })

  test("the contract's table is the table", () => {
    const contract: Record<string, string> = {
      scheduled: "cancelled failed pending",
      pending: "cancelled failed in_progress",
      in_progress: "cancelled conflict failed pending scheduled verified",
      verified: "awaiting_approval cancelled committing failed pending",
      awaiting_approval: "cancelled failed pending verified",
      committing: "applied conflict verified",
      failed: "pending",
    }
    for (const from of STATES) {
      const to = new Set(TRANSITIONS.filter((row) => row.from === from).map((row) => row.to))
      expect([from, [...to].sort().join(" ")]).toEqual([from, contract[from] ?? ""])
    }
  })
})

test("the original's four counts cover every state", () => {
  expect(STATES.map(originalStatus)).toEqual([
    "pending",
    "pending",
    "in_progress",
    "in_progress",
    "in_progress",
    "in_progress",
    "applied",
    "failed",
    "failed",
    "failed",
  ])
})

test("counts survive their wire form, whose order is fixed", () => {
  expect(encodeCounts({ ...NO_COUNTS, scheduled: 1, cancelled: 9 })).toBe("1,0,0,0,0,0,0,0,0,9")
  FastCheck.assert(
    FastCheck.property(
      FastCheck.array(FastCheck.nat(), { minLength: STATES.length, maxLength: STATES.length }),
      (numbers) => {
        const text = numbers.join(",")
        return encodeCounts(decodeCounts(text)) === text
      },
    ),
  )
})
