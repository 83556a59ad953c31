import { describe, expect, test } from "bun:test"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { AuditService } from "../../src/audit/AuditService.ts"
import { Database } from "../../src/platform/Database.ts"
import { it, providing } from "../support/effect.ts"
import { linearizable, type Operation, type Specification } from "../support/linearizable.ts"
import { tempFolder } from "../support/temp.ts"
import { queueSpecification, record } from "./histories.ts"
import { KNOWN_BAD } from "./known-bad.ts"

/** `HYPERION_HISTORIES=100` records so many, from `HYPERION_HISTORIES_SEED` on. */
const ROUNDS = Number(process.env["HYPERION_HISTORIES"] ?? "2")
const SEED = Number(process.env["HYPERION_HISTORIES_SEED"] ?? "1")

const scale = { processes: 4, kills: 2, calls: 80 }

const recorded = (seed: number, variant: string) =>
  Effect.gen(function* () {
    const file = join(yield* tempFolder, "hyperion.db")
    const { history, kills } = yield* Effect.promise(() => record({ ...scale, file, seed, variant }))
    const context = yield* Layer.build(
      Layer.provideMerge(AuditService.layer, Database.layer({ file, create: false })),
    )
    const { fault } = yield* Effect.flatMap(AuditService, (audit) => audit.verify()).pipe(providing(context))
    return { history, kills, fault, verdict: linearizable(history, queueSpecification) }
  })

const overlapping = (history: readonly Operation<unknown, unknown>[]) =>
  history.filter((one) =>
    history.some((other) => other.process !== one.process && other.from < one.to && one.from < other.to),
  ).length

describe("what four processes saw, two kills each", () => {
  it.live(
    "can all be told as one queue's answers to one call after another",
    () =>
      Effect.gen(function* () {
        for (let seed = SEED; seed < SEED + ROUNDS; seed++) {
          const { history, kills, fault, verdict } = yield* recorded(seed, "none")
          expect({ seed, fault, ...verdict }).toMatchObject({ seed, fault: null, ok: true })
          expect(kills).toBeGreaterThan(0)
          expect(overlapping(history)).toBeGreaterThan(history.length / 4)
        }
      }),
    30_000 + ROUNDS * 10_000,
  )

  for (const variant of KNOWN_BAD)
    it.live(
      `cannot, with a queue that is known to be wrong: ${variant}`,
      () =>
        Effect.gen(function* () {
          // What processes meet is chance: three histories must be enough.
          for (let seed = 1; seed <= 3; seed++) {
            const { verdict } = yield* recorded(seed, variant)
            if (!verdict.ok) return expect(verdict.why).toBe("impossible")
          }
          expect("not caught").toBe("caught")
        }),
      60_000,
    )
})

describe("the checker", () => {
  type Call = { readonly write: number } | "read"
  const register: Specification<number, Call, number | null> = {
    initial: 0,
    step: (state, call, answer) => {
      if (call !== "read") return call.write
      return answer === undefined || answer === state ? state : null
    },
    key: String,
  }
  const one = (
    process: string,
    call: Call,
    [from, to]: readonly [number, number],
    answer?: number | null,
  ): Operation<Call, number | null> => ({ process, call, answer, from, to })
  const never = Number.POSITIVE_INFINITY
  const rows: readonly (readonly [string, boolean, readonly Operation<Call, number | null>[]])[] = [
    ["nothing", true, []],
    ["what was written is read", true, [one("a", { write: 1 }, [0, 1], null), one("b", "read", [2, 3], 1)]],
    ["an old value is read", false, [one("a", { write: 1 }, [0, 1], null), one("b", "read", [2, 3], 0)]],
    [
      "while it is written, the old value and then the new one are read",
      true,
      [
        one("a", { write: 1 }, [0, 9], null),
        one("b", "read", [1, 2], 0),
        one("c", "read", [3, 4], 1),
        one("b", "read", [3, 8], 1),
      ],
    ],
    [
      "while it is written, the new value and then the old one are read",
      false,
      [one("a", { write: 1 }, [0, 9], null), one("b", "read", [1, 2], 1), one("c", "read", [3, 4], 0)],
    ],
    [
      "a write nobody answered took effect late",
      true,
      [one("a", { write: 1 }, [0, never]), one("b", "read", [1, 2], 0), one("b", "read", [3, 4], 1)],
    ],
    [
      "a write nobody answered never took effect",
      true,
      [one("a", { write: 1 }, [0, never]), one("b", "read", [1, 2], 0)],
    ],
    [
      "a write nobody answered took effect and was taken back",
      false,
      [one("a", { write: 1 }, [0, never]), one("b", "read", [1, 2], 1), one("b", "read", [3, 4], 0)],
    ],
    [
      "a write is seen before it began",
      false,
      [one("b", "read", [0, 1], 1), one("a", { write: 1 }, [2, 3], null)],
    ],
  ]
  test.each(rows)("%s: %p", (_, ok, history) => {
    expect(linearizable(history, register).ok).toBe(ok)
  })

  test("says where no order goes on, and when it gave up", () => {
    const stale = one("b", "read", [4, 5], 0)
    const history = [one("a", { write: 1 }, [0, 1], null), one("c", "read", [2, 3], 1), stale]
    expect(linearizable(history, register)).toMatchObject({ why: "impossible", explained: 2, stuck: [stale] })
    expect(linearizable(history, register, 1)).toMatchObject({ ok: false, why: "undecided" })
  })
})
