import { afterEach, describe, expect, test } from "bun:test"
import * as Effect from "effect/Effect"
import { LandingJournal, type LandingRecord } from "../../src/apply/LandingJournal.ts"
import type { PolicyInput } from "../../src/domain/policy.ts"
import { LandingBook, type LandingTurns } from "../../src/worker/LandingBook.ts"
import { changeOf, patchOf, requestOf } from "../support/workspace.ts"
import { findFaults, openWorkshop, outcomes, type Workshop, type WorkshopOptions } from "./workshop.ts"

let shop: Workshop
let expected: readonly RegExp[] = []
afterEach(async () => {
  const faults = await findFaults(shop)
  shop.remove()
  const unexpected = faults.filter((fault) => !expected.some((one) => one.test(fault)))
  expected = []
  expect(unexpected).toEqual([])
})

const GUARD = { id: "unit", command: ["unit-tests"], flaky_retries: 0 }
const APPROVED: Omit<PolicyInput, "version"> = {
  landing: { branch: "main" },
  approvals: { required: 1, presence: "tty" },
}
const open = async (options: WorkshopOptions = {}) => {
  shop = await openWorkshop(options)
}
const setPolicy = async (policy: Omit<PolicyInput, "version">) => {
  shop.write({ "hyperion.json": JSON.stringify({ version: 1, sandbox: "preferred", ...policy }) })
  await shop.trust()
}

describe("what was proven under another policy is proven again", () => {
  test("a guard that the policy asks for now runs before the landing", async () => {
    const asked: string[] = []
    await open({
      policy: APPROVED,
      guard: ({ argv }) => {
        asked.push(argv[0]!)
        return "green"
      },
    })
    await shop.enqueue([requestOf("one", { "b.txt": "b\n" })])
    await shop.drain()
    await setPolicy({ ...APPROVED, guards: [GUARD] })
    await shop.approve([1])
    expect(outcomes(await shop.drain())).toEqual(["1 landed"])
    expect(asked).toEqual(["unit-tests"])
    const receipt = await shop.receipt(1)
    expect(receipt.guard_outputs).toMatchObject([{ guard_id: "unit", result: "passed" }])
    expect(receipt.flags).not.toContain("unguarded")
  })

  test("a guard whose command is another one now runs again", async () => {
    const asked: string[] = []
    await open({
      policy: { ...APPROVED, guards: [GUARD] },
      guard: ({ argv }) => {
        asked.push(argv[0]!)
        return "green"
      },
    })
    await shop.enqueue([requestOf("one", { "b.txt": "b\n" })])
    await shop.drain()
    await setPolicy({ ...APPROVED, guards: [{ ...GUARD, command: ["all-tests"] }] })
    await shop.approve([1])
    expect(outcomes(await shop.drain())).toEqual(["1 landed"])
    expect(asked).toEqual(["unit-tests", "all-tests"])
  })

  test("a sandbox that is required now is not done without because it was done without before", async () => {
    await open({ policy: { ...APPROVED, guards: [GUARD] } })
    await shop.enqueue([requestOf("one", { "b.txt": "b\n" })])
    await shop.drain()
    await setPolicy({ ...APPROVED, guards: [GUARD], sandbox: "required" })
    await shop.approve([1])
    expect(outcomes(await shop.drain())).toEqual(["1 retry sandbox_unavailable"])
    expect(shop.read("b.txt")).toBeNull()
  })
})

describe("an entry that cannot land does not keep the others from it", () => {
  const DIRTY = {
    ...requestOf("dirty", {}, { metadata: { intent: "dirty" } }),
    changes: [patchOf("a.txt", "--- a/a.txt\n+++ b/a.txt\n@@ -1 +1 @@\n-a\n+changed\n")],
  }

  test("under guards, a damaged payload fails alone", async () => {
    expected = [/^audit: /]
    await open({ policy: { ...APPROVED, guards: [GUARD] } })
    await shop.enqueue([requestOf("one", { "b.txt": "b\n" }), requestOf("two", { "c.txt": "c\n" })])
    await shop.drain()
    await shop.approve([1, 2])
    await shop.query((db) =>
      db.run("UPDATE entry_payload SET body = replace(body, 'b.txt', 'e.txt') WHERE id = 1"),
    )
    expect(outcomes(await shop.drain()).toSorted()).toEqual(["2 landed"])
    expect(await shop.state(1)).toBe("failed")
    expect((await shop.show(1)).failure).toMatchObject({ code: "payload_unreadable" })
  })

  test("under guards, a blocked one lets the next proven one land in the same run", async () => {
    await open({ policy: { ...APPROVED, guards: [GUARD] } })
    await shop.enqueue([DIRTY, requestOf("two", { "c.txt": "c\n" })])
    await shop.drain()
    await shop.approve([1, 2])
    shop.write({ "a.txt": "mine\n" })
    expect(outcomes(await shop.drain())).toEqual(["1 blocked blocked_dirty", "2 landed"])
  })

  test("more blocked ones than a batch holds", async () => {
    await open({ policy: { ...APPROVED, queue: { batch: 2 } }, files: { "a.txt": "a\n" } })
    const names = ["x1", "x2", "x3"]
    await shop.enqueue([
      ...names.map((name) => requestOf(name, { [`${name}.txt`]: "new\n" })),
      requestOf("free", { "free.txt": "free\n" }),
    ])
    await shop.drain()
    await shop.approve([1, 2, 3, 4])
    shop.write(Object.fromEntries(names.map((name) => [`${name}.txt`, "mine\n"])))
    expect(outcomes(await shop.drain()).toSorted()).toEqual([
      "1 blocked blocked_untracked_in_the_way",
      "2 blocked blocked_untracked_in_the_way",
      "3 blocked blocked_untracked_in_the_way",
      "4 landed",
    ])
  })

  test("one that is worked on alone lands however many are before it", async () => {
    await open({ policy: { ...APPROVED, queue: { batch: 1 } } })
    await shop.enqueue([requestOf("one", { "b.txt": "b\n" }), requestOf("two", { "c.txt": "c\n" })])
    await shop.drain()
    await shop.approve([1, 2])
    expect(outcomes(await shop.drain({ only: 2 }))).toEqual(["2 landed"])
  })
})

describe("a conflict with a change of the same batch that did not land", () => {
  const first = {
    ...requestOf("first", {}, { metadata: { intent: "first" } }),
    changes: [
      patchOf("a.txt", "--- a/a.txt\n+++ b/a.txt\n@@ -1 +1 @@\n-a\n+first\n"),
      changeOf("new.txt", "new\n"),
    ],
  }
  const second = {
    ...requestOf("second", {}, { metadata: { intent: "second" } }),
    changes: [patchOf("a.txt", "--- a/a.txt\n+++ b/a.txt\n@@ -1 +1 @@\n-a\n+second\n")],
  }

  test("is none: it lands", async () => {
    let cancelled = false
    await open({
      beforeLanding: async () => {
        if (!cancelled) await shop.cancel(1)
        cancelled = true
      },
    })
    await shop.enqueue([first, second])
    expect(outcomes(await shop.drain())).toEqual(["2 landed"])
    expect(shop.read("a.txt")).toBe("second\n")
  })

  test("is one once the other has landed", async () => {
    await open()
    await shop.enqueue([first, second])
    expect(outcomes(await shop.drain())).toEqual(["1 landed", "2 conflict conflict"])
    expect((await shop.entry(2)).attempts).toBe(1)
  })

  test("in the shape of the tree it is none either", async () => {
    let cancelled = false
    await open({
      beforeLanding: async () => {
        if (!cancelled) await shop.cancel(1)
        cancelled = true
      },
    })
    await shop.enqueue([requestOf("file", { x: "a file\n" }), requestOf("folder", { "x/y.txt": "in it\n" })])
    expect(outcomes(await shop.drain())).toEqual(["2 landed"])
  })

  test("what waits for it over two steps waits with it", async () => {
    await open()
    await shop.enqueue([
      requestOf("file", { x: "a file\n" }),
      requestOf("folder", { "x/y.txt": "in it\n" }),
      requestOf("then", { "b.txt": "b\n" }, { depends_on: ["folder"] }),
      requestOf("last", { "c.txt": "c\n" }, { depends_on: ["then"] }),
    ])
    const told = outcomes(await shop.drain())
    expect(told).toEqual(["1 landed", "2 conflict file_in_the_way"])
    expect([await shop.state(3), await shop.state(4)]).toEqual(["pending", "pending"])
  })
})

test("a loosened policy reaches the oldest of many entries that wait for a person", async () => {
  await open({ policy: APPROVED })
  const names = Array.from({ length: 100 }, (_, index) => `skills/s${index}/SKILL.md`)
  await shop.enqueue([
    requestOf("plain", { "b.txt": "b\n" }),
    ...names.map((path, index) => requestOf(`s${index}`, { [path]: "say\n" })),
  ])
  expect(await shop.drain()).toHaveLength(101)
  await setPolicy({ landing: { branch: "main" }, approvals: { required: 0, unattended: true } })
  expect(outcomes(await shop.drain())).toEqual(["1 landed"])
})

test("a change that cannot be part of the tree is refused before a person is asked about it", async () => {
  await open({ policy: APPROVED, files: { x: "a file\n" } })
  await shop.enqueue([requestOf("folder", { "x/y.txt": "in a folder\n" })])
  expect(outcomes(await shop.drain())).toEqual(["1 conflict file_in_the_way"])
})

test("a landing that is over, however it ended, is announced no more", async () => {
  const announced: string[] = []
  await open({ beforeLanding: () => void announced.push("landing") })
  await shop.enqueue([requestOf("one", { "b.txt": "b\n" })])
  shop.write({ "b.txt": "mine\n" })
  expect(outcomes(await shop.drain())).toEqual(["1 blocked blocked_untracked_in_the_way"])
  expect(announced).toEqual(["landing"])
  const turns: LandingTurns = {
    begin: () => [],
    done: () => {},
    undone: () => {},
    entries: () => [],
  }
  const record = { landingId: "over", durable: true } as LandingRecord
  const begun = await shop.run(
    Effect.gen(function* () {
      const book = yield* LandingBook
      const journal = yield* LandingJournal
      yield* book.during("over", turns, Effect.void)
      return yield* Effect.either(journal.begin(record))
    }),
  )
  expect(begun).toMatchObject({ _tag: "Left", left: { reason: "nobody announced landing over" } })
})
