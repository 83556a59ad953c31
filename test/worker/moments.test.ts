import { afterEach, describe, expect, setDefaultTimeout, test } from "bun:test"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { sha256Hex } from "../../src/domain/hash.ts"
import type { PolicyInput } from "../../src/domain/policy.ts"
import { hold } from "../../src/operations/hold.ts"
import { runWorker } from "../../src/worker/run.ts"
import { OPEN_POLICY, patchOf, requestOf } from "../support/workspace.ts"
import {
  findFaults,
  openProcess,
  openWorkshop,
  outcomes,
  type Process,
  type Workshop,
  type WorkshopOptions,
} from "./workshop.ts"

// What happens to a pooled worker's entries at awkward moments. Each was once wrong.

// On a busy machine a worker's many looks at git take their time.
setDefaultTimeout(30_000)

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
const CAREFUL = guarded({ approvals: { required: 1, presence: "tty" } })
const open = async (options: WorkshopOptions = {}) => {
  shop = await openWorkshop({ policy: guarded(), ...options })
}
const change = (n: number) => requestOf(`t${n}`, { [`f${n}.txt`]: `${n}\n` })
const changes = (count: number) => Array.from({ length: count }, (_, n) => change(n))
const onto = (task: string, more: Record<string, unknown> = {}) => ({
  ...requestOf(task, {}, { metadata: { intent: task }, ...more }),
  changes: [patchOf("f0.txt", "--- a/f0.txt\n+++ b/f0.txt\n@@ -1 +1 @@\n-0\n+1\n")],
})
const chain = () => [change(0), onto("second", { depends_on: ["t0"] })]

describe("what depends on another that does not land with it waits, and is not judged without it", () => {
  test.each([
    ["red", "failed"],
    ["timeout", "scheduled"],
  ] as const)("the first is %s", async (says, state) => {
    await open({ guard: ({ read }) => (read("f0.txt") === null ? "green" : says) })
    await shop.enqueue(chain())
    await shop.drain()
    expect([await shop.state(1), await shop.state(2)]).toEqual([state, "pending"])
    expect((await shop.entry(2)).reason_code).toBe("waiting_for_dependency")
  })

  test("the first is red, and the second, of another file, is red without it", async () => {
    await open({ guard: ({ read }) => ((read("f0.txt") ?? read("f1.txt")) ? "red" : "green") })
    await shop.enqueue([change(0), requestOf("second", { "f1.txt": "1\n" }, { depends_on: ["t0"] })])
    await shop.drain()
    expect([await shop.state(1), await shop.state(2)]).toEqual(["failed", "pending"])
  })

  test("nothing lands because of the mode", async () => {
    await open({ policy: guarded({ landing: { mode: "preview" } }) })
    await shop.enqueue(chain())
    await shop.drain()
    expect([await shop.state(1), await shop.state(2)]).toEqual(["verified", "pending"])
  })

  const TIERED = guarded({
    approvals: {
      ...OPEN_POLICY.approvals,
      tiers: [{ name: "strict", paths: ["s/**"], required: 1, presence: "tty" }],
    },
  })
  const strict = (request: ReturnType<typeof onto>) => {
    const [more] = requestOf("x", { "s/x.txt": "x\n" })["changes"] as object[]
    return { ...request, changes: [...request.changes, more] }
  }

  test("the first lands at once, the second waits for a person", async () => {
    await open({ policy: TIERED })
    await shop.enqueue([change(0), strict(onto("second", { depends_on: ["t0"] }))])
    await shop.drain()
    expect([await shop.state(1), await shop.state(2)]).toEqual(["applied", "awaiting_approval"])
  })

  test("the second says only by its base that it was made on the first's result", async () => {
    await open({ policy: TIERED })
    const second = onto("second")
    const based = { ...second, changes: [{ ...second.changes[0]!, base_hash: sha256Hex("0\n") }] }
    await shop.enqueue([change(0), strict(based)])
    await shop.drain()
    expect([await shop.state(1), await shop.state(2)]).toEqual(["applied", "awaiting_approval"])
  })
})

test("what is there already needs no guard, whatever the guards say of the base", async () => {
  let runs = 0
  await open({
    files: { "a.txt": "a\n", "f0.txt": "0\n" },
    guard: () => {
      runs++
      return "red"
    },
  })
  await shop.enqueue([change(0)])
  expect(outcomes(await shop.drain())).toEqual(["1 landed"])
  expect((await shop.receipt(1)).flags).toContain("noop")
  expect(runs).toBe(0)
})

test("one that somebody's file is in the way of is not proven again at every look", async () => {
  let runs = 0
  await open({
    policy: guarded({
      guards: [{ id: "unit", command: ["unit-tests"], flaky_retries: 0, cache: false }],
    }),
    guard: () => {
      runs++
      return "green"
    },
  })
  await shop.enqueue(changes(2))
  shop.write({ "f0.txt": "in the way\n" })
  const worker = shop.forkWorker()
  while ((await shop.state(2)) !== "applied") await shop.pass(1_000)
  for (let second = 0; second < 40; second++) await shop.pass(1_000)
  await Effect.runPromise(Fiber.interrupt(worker))
  // Both together, the second alone, the first alone.
  expect(runs).toBeLessThanOrEqual(3)
  shop.write({ "f0.txt": null })
})

describe("files change while guards run, in worktree mode", () => {
  const worktree = { landing: { mode: "worktree" as const } }

  test("what was leased is proven again on what is there now", async () => {
    let runs = 0
    await open({
      policy: guarded(worktree),
      guard: ({ read }) => {
        if (++runs === 1) shop.write({ "a.txt": "other\n" })
        return read("a.txt") === null ? "red" : "green"
      },
    })
    await shop.enqueue([change(0)])
    expect(outcomes(await shop.drain())).toEqual(["1 waiting base_moved", "1 landed"])
    expect(runs).toBe(2)
  })

  test("what was approved too", async () => {
    let runs = 0
    await open({
      policy: { ...CAREFUL, ...worktree },
      guard: () => {
        if (++runs === 3) shop.write({ "a.txt": "other\n" })
        return "green"
      },
    })
    await shop.enqueue(changes(2))
    await shop.drain()
    await shop.approve([1, 2])
    await shop.drain()
    for (const id of [1, 2]) expect(await shop.state(id)).toBe("applied")
    expect(runs).toBe(4)
  })
})

describe("leases", () => {
  test("a landing that takes longer than what is left of the lease keeps it", async () => {
    await open({
      policy: guarded({ queue: { lease_seconds: 2 } }),
      beforeLanding: async () => {
        for (let second = 0; second < 8; second++) await shop.pass(1_000)
      },
    })
    await shop.enqueue(changes(3))
    expect(outcomes(await shop.drain())).toEqual(["1 landed", "2 landed", "3 landed"])
    expect(await shop.events(1)).not.toContain("lease_reclaimed")
  })

  test("the clock jumps over the lease, as when a machine slept: the worker renews before it looks for lost ones", async () => {
    const stuck = Effect.runSync(Deferred.make<void>())
    let started = () => {}
    const running = new Promise<void>((resolve) => {
      started = resolve
    })
    await open({
      guard: () => {
        started()
        return Effect.as(Deferred.await(stuck), "green" as const)
      },
    })
    await shop.enqueue(changes(3))
    let jump = 0
    const options = { worker: "worker-1", runChecks: false, mode: "drain" as const, tell: () => Effect.void }
    const worker = shop.runtime.runFork(
      Effect.clockWith((clock) =>
        Effect.withClock(
          runWorker(options),
          ahead(clock, () => jump),
        ),
      ),
    )
    await running
    await shop.pass(1_000)
    jump = 400_000
    for (let second = 0; second < 3; second++) await shop.pass(1_000)
    Effect.runSync(Deferred.succeed(stuck, undefined))
    await Effect.runPromise(Fiber.join(worker))
    expect(await shop.entry(1)).toMatchObject({ state: "applied", attempts: 1 })
    expect(await shop.events(1)).not.toContain("lease_reclaimed")
  })
})

/** Tells another time than the clock whose timers it uses. */
const ahead = (clock: Clock.Clock, by: () => number): Clock.Clock => ({
  [Clock.ClockTypeId]: Clock.ClockTypeId,
  currentTimeMillis: Effect.map(clock.currentTimeMillis, (at) => at + by()),
  currentTimeNanos: clock.currentTimeNanos,
  unsafeCurrentTimeMillis: () => clock.unsafeCurrentTimeMillis() + by(),
  unsafeCurrentTimeNanos: () => clock.unsafeCurrentTimeNanos(),
  sleep: (duration) => clock.sleep(duration),
})

test("one that is withdrawn while it waits in the line costs no run", async () => {
  const runs: number[] = []
  await open({
    guard: ({ read }) =>
      Effect.gen(function* () {
        runs.push(changes(12).filter((_, n) => read(`f${n}.txt`) !== null).length)
        if (runs.length === 1) yield* Effect.promise(() => shop.cancel(9))
        return "green" as const
      }),
  })
  await shop.enqueue(changes(12))
  expect(outcomes(await shop.drain())).toHaveLength(11)
  expect(runs).toEqual([8, 11])
})

test("one that a person holds while its group is proven stays, says so, and the others land", async () => {
  let runs = 0
  await open({
    guard: () =>
      Effect.gen(function* () {
        if (++runs === 1) yield* Effect.promise(() => shop.run(hold(["2"], "look at it first")))
        return "green" as const
      }),
  })
  await shop.enqueue(changes(3))
  expect(outcomes(await shop.drain())).toEqual(["1 landed", "3 landed"])
  expect(await shop.entry(2)).toMatchObject({ state: "pending", attempts: 0, reason_code: "held" })
  expect(runs).toBe(2)
})

test("what another process landed meanwhile is not told as waiting", async () => {
  let runs = 0
  await open({
    policy: CAREFUL,
    guard: () =>
      Effect.gen(function* () {
        if (++runs === 3) yield* Effect.promise(() => others[0]!.drain({ worker: "worker-2" }))
        return "green" as const
      }),
  })
  await shop.enqueue(changes(2))
  await shop.drain()
  await shop.approve([1, 2])
  others = [await openProcess(shop, { guard: () => "green" })]
  expect(outcomes(await shop.drain())).toEqual([])
  expect(await shop.state(1)).toBe("applied")
})

describe("two workers", () => {
  /** A guard of the first that hangs once it has begun; the second's is green. */
  const twoWorkers = async (more: Omit<PolicyInput, "version"> = {}) => {
    let begun = () => {}
    const hanging = new Promise<void>((resolve) => {
      begun = resolve
    })
    await open({
      policy: guarded(more),
      guard: () => {
        begun()
        return Effect.never
      },
    })
    let runs = 0
    const second = await openProcess(shop, {
      guard: () => {
        runs++
        return "green"
      },
    })
    others = [second]
    await shop.enqueue([change(0)])
    const first = shop.forkWorker()
    await hanging
    await shop.enqueue([change(1)])
    return { first, second, runs: () => runs }
  }

  test("prove one base only once: the other waits until the first is done or gone", async () => {
    const { first, second, runs } = await twoWorkers()
    const worker = second.forkWorker()
    for (let look = 0; look < 20; look++) await second.pass(1_000)
    expect([await shop.state(2), runs()]).toEqual(["pending", 0])
    await Effect.runPromise(Fiber.interrupt(first))
    while ((await shop.state(2)) !== "applied") await second.pass(1_000)
    await Effect.runPromise(Fiber.interrupt(worker))
    expect(await shop.events(2)).toEqual(["enqueued", "leased", "verified", "committing", "applied"])
  })

  test("one that stands still is waited for no longer than a lease lasts", async () => {
    const { first, second } = await twoWorkers({ queue: { lease_seconds: 5 } })
    const worker = second.forkWorker()
    for (const id of [1, 2]) while ((await shop.state(id)) !== "applied") await second.pass(1_000)
    await Effect.runPromise(Fiber.interrupt(worker))
    await Effect.runPromise(Fiber.interrupt(first))
  })

  test("who works until the end does not wait for others", async () => {
    const { first, second } = await twoWorkers()
    expect(outcomes(await second.drain({ worker: "worker-2" }))).toEqual(["2 landed"])
    await Effect.runPromise(Fiber.interrupt(first))
  })
})

test("`once` lands one of many that are approved", async () => {
  await open({ policy: CAREFUL })
  await shop.enqueue(changes(3))
  await shop.drain()
  await shop.approve([1, 2, 3])
  expect(outcomes(await shop.drain({ mode: "once", limit: 1 }))).toEqual(["1 landed"])
  expect(await shop.state(2)).toBe("verified")
})
