import type { Database as Sqlite } from "bun:sqlite"
import { afterEach, describe, expect, setDefaultTimeout, test } from "bun:test"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { sha256Hex } from "../../src/domain/hash.ts"
import type { PolicyInput } from "../../src/domain/policy.ts"
import { type Verified, verify } from "../../src/operations/verify.ts"
import { OPEN_POLICY, patchOf, requestOf } from "../support/workspace.ts"
import {
  findFaults,
  type GuardCall,
  openWorkshop,
  outcomes,
  type Workshop,
  type WorkshopOptions,
} from "./workshop.ts"

// On a busy machine a worker's many looks at git take their time.
setDefaultTimeout(30_000)

let shop: Workshop
afterEach(async () => {
  const faults = await findFaults(shop)
  shop.remove()
  expect(faults).toEqual([])
})

const FILES = Array.from({ length: 20 }, (_, n) => `f${n}.txt`)
const guarded = (more: Omit<PolicyInput, "version"> = {}): Omit<PolicyInput, "version"> => ({
  ...OPEN_POLICY,
  guards: [{ id: "unit", command: ["unit-tests"], flaky_retries: 0 }],
  ...more,
})
const CAREFUL = guarded({ approvals: { required: 1, presence: "tty" } })
const open = async (options: WorkshopOptions) => {
  shop = await openWorkshop({ policy: guarded(), ...options })
}
/** Files of the changes that a guard sees in its tree. */
const seenBy = ({ read }: GuardCall) => FILES.filter((path) => read(path) !== null)
const changes = (count: number) =>
  FILES.slice(0, count).map((path, n) => requestOf(`t${n}`, { [path]: `${n}\n` }))
/** How often the branch moved since the first commit. */
const moves = () => shop.git("reflog", "show", "--format=%gs", "main").split("\n").length - 1

describe("combined", () => {
  test("changes of different files are proven by one run and land with one move of the branch", async () => {
    const runs: string[][] = []
    await open({
      guard: (call) => {
        runs.push(seenBy(call))
        return "green"
      },
    })
    await shop.enqueue(changes(5))
    expect(outcomes(await shop.drain())).toEqual([1, 2, 3, 4, 5].map((id) => `${id} landed`))
    expect(runs).toEqual([FILES.slice(0, 5)])
    expect(moves()).toBe(1)
    expect(shop.git("rev-list", "--count", "main")).toBe("6")
    const tip = shop.git("rev-parse", "main^{tree}")
    for (const id of [1, 2, 3, 4, 5]) {
      const receipt = await shop.receipt(id)
      expect(receipt.verified_as).toBe(`batch ${tip}`)
      expect(receipt.guard_outputs).toMatchObject([{ guard_id: "unit", tree: tip }])
      expect(receipt.flags).toEqual(["unattended", "sandbox:none"])
    }
    expect((await shop.receipt(5)).result_tree).toBe(tip)
  })

  test("one that is red is found; it fails with evidence of its own, and all others land", async () => {
    const runs: string[][] = []
    await open({
      guard: (call) => {
        runs.push(seenBy(call))
        return call.read("f5.txt") === null ? "green" : "red"
      },
    })
    await shop.enqueue(changes(8))
    const told = outcomes(await shop.drain())
    expect(told.filter((line) => line.endsWith("landed"))).toHaveLength(7)
    expect(told).toContain("6 failed guard_failed")
    expect(shop.read("f5.txt")).toBeNull()
    // 8 red, 4 green, 2 of the other 4 red, 1 green, 1 red, its base, then the rest.
    expect(runs.length).toBeLessThanOrEqual(8)
    const { failure } = await shop.show(6)
    expect(failure).toMatchObject({ code: "guard_failed" })
    // Every tip was proven: each batch names a tree that the branch has had.
    const trees = shop.git("log", "--format=%T", "main").split("\n")
    for (const id of [1, 2, 3, 4, 5, 7, 8])
      expect(trees).toContain((await shop.receipt(id)).verified_as.replace("batch ", ""))
  })

  test("two that are green alone and red together: the first lands, the second is told why", async () => {
    await open({
      guard: ({ read }) => (read("f0.txt") !== null && read("f1.txt") !== null ? "red" : "green"),
    })
    await shop.enqueue(changes(2))
    expect(outcomes(await shop.drain())).toEqual(["1 landed", "2 failed guard_failed"])
  })

  test("two changes of one file are never in one run, and land one on the other", async () => {
    const seen: (string | null)[] = []
    await open({
      files: { "a.txt": "1\n2\n3\n4\n5\n6\n7\n8\n9\n" },
      guard: ({ read }) => {
        seen.push(read("a.txt"))
        return "green"
      },
    })
    const edit = (task: string, line: number, to: string) => ({
      ...requestOf(task, {}, { metadata: { intent: task } }),
      changes: [patchOf("a.txt", `--- a/a.txt\n+++ b/a.txt\n@@ -${line} +${line} @@\n-${line}\n+${to}\n`)],
    })
    await shop.enqueue([edit("top", 1, "one"), edit("end", 9, "nine")])
    expect(outcomes(await shop.drain())).toEqual(["1 landed", "2 landed"])
    expect(seen).toEqual(["one\n2\n3\n4\n5\n6\n7\n8\n9\n", "one\n2\n3\n4\n5\n6\n7\n8\nnine\n"])
  })

  test("a chain of dependencies is one run", async () => {
    let runs = 0
    await open({
      guard: () => {
        runs++
        return "green"
      },
    })
    await shop.enqueue([
      requestOf("first", { "f0.txt": "0\n" }),
      requestOf("second", { "f1.txt": "1\n" }, { depends_on: ["first"] }),
      requestOf("third", { "f2.txt": "2\n" }, { depends_on: ["second"] }),
    ])
    expect(outcomes(await shop.drain())).toEqual(["1 landed", "2 landed", "3 landed"])
    expect(runs).toBe(1)
  })

  test("one that takes too long is found as well: it is tried again, the others land at once", async () => {
    await open({ guard: ({ read }) => (read("f2.txt") === null ? "green" : "timeout") })
    await shop.enqueue(changes(4))
    const told = outcomes(await shop.drain())
    expect(told.filter((line) => line.endsWith("landed"))).toHaveLength(3)
    expect(told).toContain("3 retry guard_timeout")
  })

  test("a red base: nobody is charged, and what repairs it lands, before the others or with them", async () => {
    await open({
      files: { "a.txt": "broken\n" },
      guard: ({ read }) => (read("a.txt") === "broken\n" ? "red" : "green"),
    })
    await shop.enqueue(changes(3))
    expect(outcomes(await shop.drain())).toEqual([1, 2, 3].map((id) => `${id} blocked base_red`))
    await shop.enqueue([
      {
        ...requestOf("repair", {}, { metadata: { intent: "repair" } }),
        changes: [patchOf("a.txt", "--- a/a.txt\n+++ b/a.txt\n@@ -1 +1 @@\n-broken\n+whole\n")],
      },
    ])
    expect(outcomes(await shop.drain())).toEqual(["4 landed"])
    await shop.pass(11_000)
    await shop.drain()
    for (const id of [1, 2, 3]) expect(await shop.entry(id)).toMatchObject({ state: "applied", attempts: 1 })
  })

  test("approved ones land by one run, without being asked about again", async () => {
    const runs: string[][] = []
    await open({
      policy: CAREFUL,
      guard: (call) => {
        runs.push(seenBy(call))
        return "green"
      },
    })
    await shop.enqueue(changes(6))
    await shop.drain()
    // Each was proven on its own before a person was asked.
    expect(runs.map((seen) => seen.length)).toEqual([1, 1, 1, 1, 1, 1])
    await shop.approve([1, 2, 3, 4, 5, 6])
    expect(outcomes(await shop.drain())).toEqual([1, 2, 3, 4, 5, 6].map((id) => `${id} landed`))
    expect(runs.slice(6)).toEqual([FILES.slice(0, 6)])
    expect(moves()).toBe(1)
    for (const id of [1, 6])
      expect((await shop.receipt(id)).approvals.map(({ approver }) => approver)).toEqual(["grace"])
  })

  test("approved ones that are red together: the first lands by its own proof", async () => {
    await open({
      policy: CAREFUL,
      guard: ({ read }) => (read("f0.txt") !== null && read("f1.txt") !== null ? "red" : "green"),
    })
    await shop.enqueue(changes(2))
    await shop.drain()
    await shop.approve([1, 2])
    const told = outcomes(await shop.drain())
    expect(told).toEqual(["1 landed", "2 failed guard_failed"])
    expect((await shop.receipt(1)).verified_as).toBe((await shop.receipt(1)).result_tree)
  })

  test("one that somebody's file is in the way of stays behind, and its proof among others counts for nothing", async () => {
    const runs: string[][] = []
    await open({
      guard: (call) => {
        runs.push(seenBy(call))
        return "green"
      },
    })
    await shop.enqueue(changes(3))
    shop.write({ "f0.txt": "in the way\n" })
    const told = outcomes(await shop.drain())
    expect(told).toEqual(["1 blocked blocked_untracked_in_the_way", "2 landed", "3 landed"])
    expect(runs).toEqual([FILES.slice(0, 3), FILES.slice(1, 3)])
    // The branch goes back to where the group was proven: the stored tree is still not what would land alone.
    const landed = shop.git("rev-parse", "main")
    shop.git("reset", "--quiet", "--hard", "main~2")
    shop.write({ "f0.txt": null })
    await shop.pass(11_000)
    expect(outcomes(await shop.drain())).toEqual(["1 landed"])
    expect(runs[2]).toEqual(["f0.txt"])
    shop.git("merge", "--quiet", "--no-edit", landed)
  })

  test("verify: the batch's tree must have been landed with it, and its guards have run on that tree", async () => {
    await open({ guard: () => "green" })
    await shop.enqueue(changes(3))
    await shop.drain()
    const faults = async () => {
      const found: (string | undefined)[] = []
      const tell = ({ fault }: Verified) => Effect.sync(() => void (fault && found.push(fault.code)))
      await shop.run(Effect.scoped(verify(undefined, tell)))
      return found
    }
    expect(await faults()).toEqual([])
    const { receipt } = await shop.show(1)
    const other = shop.git("rev-parse", "main~3^{tree}")
    // A receipt that was consistently forged, log and all, still names a tree that never landed.
    const forge = (change: object) => shop.query((db) => forged(db, { ...(receipt as object), ...change }))
    await forge({ verified_as: `batch ${other}` })
    expect(await faults()).toEqual(["verified_as"])
    const [output] = (receipt as { guard_outputs: object[] }).guard_outputs
    await forge({ guard_outputs: [{ ...output, tree: other }] })
    expect(await faults()).toEqual(["guard_tree"])
    await forge({})
    expect(await faults()).toEqual([])
  })
})

/** Replaces the receipt of entry 1, and what the log says of it. The chain of hashes then no longer holds: put it back. */
const forged = (db: Sqlite, receipt: object): void => {
  const body = JSON.stringify(receipt)
  const { sql } = db
    .query<{ sql: string }, []>("SELECT sql FROM sqlite_schema WHERE name = 'audit_is_append_only_update'")
    .get()!
  db.run("DROP TRIGGER audit_is_append_only_update")
  db.run("UPDATE receipt SET body = ? WHERE entry_id = 1", [body])
  db.run(
    "UPDATE audit SET data = json_set(data, '$.receipt_sha256', ?) WHERE entry_id = 1 AND event = 'applied'",
    [sha256Hex(body)],
  )
  db.run(sql)
}

describe("side by side", () => {
  /** Guards that wait until as many run as the test wants. */
  const meeting = (wanted: number) => {
    let running = 0
    let most = 0
    const all = Effect.runSync(Deferred.make<void>())
    return {
      most: () => most,
      guard: () =>
        Effect.gen(function* () {
          running++
          most = Math.max(most, running)
          if (running >= wanted) yield* Deferred.succeed(all, undefined)
          yield* Deferred.await(all)
          running--
          return "green" as const
        }),
    }
  }

  test("`workers` entries that wait for people are proven at the same time, and no more", async () => {
    const meet = meeting(3)
    await open({ policy: CAREFUL, guard: meet.guard })
    await shop.enqueue(changes(7))
    await shop.drain()
    expect(meet.most()).toBe(3)
    for (let id = 1; id <= 7; id++) expect(await shop.state(id)).toBe("awaiting_approval")
  })

  test("workers 1 proves one after the other", async () => {
    const meet = meeting(1)
    await open({ policy: { ...CAREFUL, workers: 1 }, guard: meet.guard })
    await shop.enqueue(changes(3))
    await shop.drain()
    expect(meet.most()).toBe(1)
  })

  test("what is approved lands while another's guard hangs", async () => {
    const stuck = Effect.runSync(Deferred.make<void>())
    let hung = () => {}
    const hanging = new Promise<void>((resolve) => {
      hung = resolve
    })
    await open({
      policy: CAREFUL,
      guard: ({ read }) => {
        if (read("f1.txt") === null) return "green"
        hung()
        return Effect.as(Deferred.await(stuck), "green" as const)
      },
    })
    await shop.enqueue(changes(1))
    await shop.drain()
    await shop.enqueue([requestOf("slow", { "f1.txt": "1\n" })])
    const worker = shop.forkWorker()
    await hanging
    await shop.approve([1])
    while ((await shop.state(1)) !== "applied") await shop.pass(1_000)
    expect(await shop.state(2)).toBe("in_progress")
    await Effect.runPromise(Fiber.interrupt(worker))
    expect(await shop.entry(2)).toMatchObject({ state: "pending", attempts: 0, reason_code: "stopped" })
  })

  test("stopped in the middle: everything in hand goes back, no attempt used, and nothing landed", async () => {
    let started = () => {}
    const running = new Promise<void>((resolve) => {
      started = resolve
    })
    await open({
      guard: () => {
        started()
        return Effect.never
      },
    })
    await shop.enqueue(changes(12))
    const worker = shop.forkWorker()
    await running
    await Effect.runPromise(Fiber.interrupt(worker))
    for (let id = 1; id <= 12; id++)
      expect(await shop.entry(id)).toMatchObject({ state: "pending", attempts: 0 })
    expect(shop.git("rev-list", "--count", "main")).toBe("1")
  })

  test("a lease in hand is renewed while a guard takes longer than it lasts", async () => {
    const stuck = Effect.runSync(Deferred.make<void>())
    let started = () => {}
    const running = new Promise<void>((resolve) => {
      started = resolve
    })
    await open({
      policy: guarded({ queue: { lease_seconds: 3 } }),
      guard: () => {
        started()
        return Effect.as(Deferred.await(stuck), "green" as const)
      },
    })
    await shop.enqueue(changes(3))
    const worker = shop.forkDrain("worker-1")
    await running
    for (let n = 0; n < 10; n++) await shop.pass(1_000)
    Effect.runSync(Deferred.succeed(stuck, undefined))
    await Effect.runPromise(Fiber.join(worker))
    for (const id of [1, 2, 3]) {
      expect(await shop.state(id)).toBe("applied")
      expect(await shop.events(id)).not.toContain("lease_reclaimed")
    }
  })
})
