import { afterEach, describe, expect, test } from "bun:test"
import * as Effect from "effect/Effect"
import type { Oid } from "../../src/platform/git/objects.ts"
import { QueueService } from "../../src/queue/QueueService.ts"
import { currentBase } from "../../src/worker/base.ts"
import { gatherEvidence, keepEvidence } from "../../src/worker/evidence.ts"
import { contentHashOf, copyRepository, linePatch, patchOf, requestOf } from "../support/workspace.ts"
import { lineChange, TEXT, withLine } from "./text.ts"
import {
  findFaults,
  openProcess,
  openWorkshop,
  outcomes,
  type Workshop,
  type WorkshopOptions,
} from "./workshop.ts"

let shop: Workshop
const open = async (options: WorkshopOptions = {}) => {
  shop = await openWorkshop(options)
}
afterEach(async () => {
  const faults = await findFaults(shop)
  shop.remove()
  expect(faults).toEqual([])
})

describe("a base that moved", () => {
  test("by a commit made by hand: the change is merged over the file it was made for", async () => {
    await open({ files: { "text.txt": TEXT } })
    await shop.enqueue([lineChange("top", 1, "TOP")])
    shop.commit("by hand", { "text.txt": withLine(10, "HAND") })
    expect(outcomes(await shop.drain())).toEqual(["1 landed"])
    expect(shop.read("text.txt")).toBe(withLine(1, "TOP").replace("line 10\n", "HAND\n"))
    expect((await shop.receipt(1)).flags).toContain("rebased")
    expect(shop.git("log", "--format=%s")).toBe("top\nby hand\nbase")
  })

  test("the same lines changed by hand are a conflict that names the place", async () => {
    await open({ files: { "text.txt": TEXT } })
    await shop.enqueue([lineChange("top", 1, "TOP")])
    shop.commit("by hand", { "text.txt": withLine(1, "HAND") })
    expect(outcomes(await shop.drain())).toEqual(["1 conflict conflict"])
    const history = await shop.query((db) =>
      db.query<{ data: string }, []>("SELECT data FROM audit WHERE event = 'conflicted'").get(),
    )
    expect(JSON.parse(history!.data).report.conflicts).toMatchObject([
      {
        path: "text.txt",
        base: { hash: contentHashOf(TEXT) },
        ours: { hash: contentHashOf(withLine(1, "HAND")) },
      },
    ])
    expect(shop.read("text.txt")).toBe(withLine(1, "HAND"))
  })

  test("§17: a look-alike place elsewhere in the file is never searched for", async () => {
    const block = ["start", "same", "end"]
    const before = [...block, "middle", ...block]
    await open({ files: { "text.txt": `${before.join("\n")}\n` } })
    const patch = linePatch("text.txt", before, 5, "CHANGED")
    await shop.enqueue([
      {
        ...requestOf("second-block", {}),
        changes: [
          patchOf("text.txt", patch, "update", { base_hash: contentHashOf(`${before.join("\n")}\n`) }),
        ],
      },
    ])
    // A third block above: at the stated lines now stands another one.
    shop.commit("by hand", { "text.txt": `${[...block, "new", ...before].join("\n")}\n` })
    expect(outcomes(await shop.drain())).toEqual(["1 landed"])
    expect(shop.read("text.txt")).toBe(
      `${[...block, "new", ...block, "middle", "start", "CHANGED", "end"].join("\n")}\n`,
    )
  })

  test("what is there already is a landing without a commit", async () => {
    await open()
    await shop.enqueue([requestOf("one", { "b.txt": "b\n" })])
    const tip = shop.commit("by hand", { "b.txt": "b\n" })
    expect(outcomes(await shop.drain())).toEqual(["1 landed"])
    expect(await shop.receipt(1)).toMatchObject({ commit: null, flags: ["noop", "unattended", "unguarded"] })
    expect(shop.git("rev-parse", "main")).toBe(tip)
  })

  test("§17: the same change enqueued again after it landed is a duplicate, not an error, and lands once", async () => {
    await open()
    const [first] = await shop.enqueue([requestOf("one", { "b.txt": "b\n" })])
    await shop.drain()
    expect(await shop.enqueue([requestOf("one", { "b.txt": "b\n" })])).toEqual([first!])
    expect(await shop.drain()).toEqual([])
    expect(shop.git("rev-list", "--count", "main")).toBe("2")
    await expect(shop.enqueue([requestOf("one", { "b.txt": "another\n" })])).rejects.toThrow(
      "task_already_applied",
    )
  })
})

describe("between computing a chain and landing it", () => {
  /** Does something once. */
  const once = (act: () => void | Promise<void>) => {
    let done = false
    return () => {
      if (done) return
      done = true
      return act()
    }
  }

  test("a commit made by hand: everything is computed again on it, nothing is lost, no attempt is used", async () => {
    await open({ beforeLanding: once(() => void shop.commit("by hand", { "hand.txt": "hand\n" })) })
    await shop.enqueue([requestOf("one", { "b.txt": "b\n" }), requestOf("two", { "c.txt": "c\n" })])
    expect(outcomes(await shop.drain())).toEqual([
      "1 waiting base_moved",
      "2 waiting base_moved",
      "1 landed",
      "2 landed",
    ])
    expect(shop.git("log", "--format=%s")).toBe("change c.txt\nchange b.txt\nby hand\nbase")
    expect((await shop.entry(1)).attempts).toBe(1)
    expect(shop.git("status", "--porcelain")).toBe("")
  })

  test("one of them is cancelled: the others land without it", async () => {
    await open({ beforeLanding: once(() => void shop.cancel(2)) })
    await shop.enqueue([
      requestOf("one", { "b.txt": "b\n" }),
      requestOf("two", { "c.txt": "c\n" }),
      requestOf("three", { "d.txt": "d\n" }),
    ])
    expect(outcomes(await shop.drain())).toEqual(["1 landed", "3 landed"])
    expect(await shop.entry(2)).toMatchObject({ state: "cancelled", reason: "not needed any more" })
    expect(shop.read("c.txt")).toBeNull()
    expect((await shop.entry(1)).attempts).toBe(1)
  })

  test("another answer to the same task arrives: it lands, the old one does not", async () => {
    const answer = once(async () => void (await shop.enqueue([requestOf("one", { "b.txt": "better\n" })])))
    await open({ beforeLanding: answer })
    await shop.enqueue([requestOf("one", { "b.txt": "b\n" }), requestOf("two", { "c.txt": "c\n" })])
    expect(outcomes(await shop.drain()).toSorted()).toEqual(["2 landed", "3 landed"])
    expect(await shop.state(1)).toBe("cancelled")
    expect(shop.read("b.txt")).toBe("better\n")
  })

  test("a file it changes is edited: only that entry waits", async () => {
    await open({ beforeLanding: once(() => shop.write({ "b.txt": "mine\n" })) })
    await shop.enqueue([requestOf("one", { "b.txt": "b\n" }), requestOf("two", { "c.txt": "c\n" })])
    expect(outcomes(await shop.drain()).toSorted()).toEqual([
      "1 blocked blocked_untracked_in_the_way",
      "2 landed",
    ])
    expect(shop.read("b.txt")).toBe("mine\n")
  })
})

test("a landing of ours that ends while another worker looks at its base is no base of other people", async () => {
  await open()
  await shop.enqueue([requestOf("first", { "b.txt": "b\n" })])
  await shop.drain()
  const adopted = () =>
    shop.query((db) => db.query("SELECT seq FROM audit WHERE event = 'base_adopted'").all().length)
  const before = await adopted()
  await shop.enqueue([requestOf("second", { "c.txt": "c\n" })])
  // What the branch says between the landing's move and its end, as the same landing of a copy leaves it.
  const copy = copyRepository(shop.repository)
  const there = await openProcess(copy)
  await there.drain()
  await there.dispose()
  shop.git("fetch", "--quiet", copy.root, "main")
  const commit = shop.git("rev-parse", "FETCH_HEAD")
  copy.remove()
  const base = {
    ...(await shop.run(currentBase())),
    commit: commit as Oid,
    tree: shop.git("rev-parse", "FETCH_HEAD^{tree}") as Oid,
  }
  const evidence = await shop.run(gatherEvidence(base, []))
  expect(evidence.checkpoint).not.toBeNull()
  await shop.drain()
  expect(shop.git("rev-parse", "main^{tree}")).toBe(base.tree)
  await shop.run(
    Effect.flatMap(QueueService, (queue) =>
      queue.transact((db, at) => keepEvidence(db, evidence, "worker-2", at)),
    ),
  )
  expect(await adopted()).toBe(before)
})
