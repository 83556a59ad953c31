import { Database as Sqlite } from "bun:sqlite"
import { afterEach, describe, expect, test } from "bun:test"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { inspectBells } from "../../src/platform/bells.ts"
import { contentHashOf, OPEN_POLICY, patchOf, requestOf } from "../support/workspace.ts"
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

describe("an unguarded batch", () => {
  test("lands as one chain with one move of the branch", async () => {
    await open()
    await shop.enqueue([
      requestOf("one", { "b.txt": "b\n" }),
      requestOf("two", { "c/d.txt": "d\n" }),
      requestOf("three", { "e.txt": "e\n" }),
    ])
    expect(outcomes(await shop.drain())).toEqual(["1 landed", "2 landed", "3 landed"])
    expect(shop.git("rev-list", "--count", "main")).toBe("4")
    expect(shop.git("reflog", "show", "--format=%gs", "main").split("\n")).toEqual([
      "hyperion: land 3 entries",
      "commit (initial): base",
    ])
    expect(shop.git("status", "--porcelain")).toBe("")
    expect(shop.read("c/d.txt")).toBe("d\n")
  })

  test("one that does not fit is out, what depends on it waits, the others land", async () => {
    await open({ files: { "a.txt": "a\n" } })
    await shop.enqueue([
      requestOf("first", { "b.txt": "b\n" }),
      requestOf("wrong", { "a.txt": "another add\n" }),
      requestOf("after-wrong", { "c.txt": "c\n" }, { depends_on: ["wrong"] }),
      requestOf("after-first", { "d.txt": "d\n" }, { depends_on: ["first"] }),
    ])
    expect(outcomes(await shop.drain())).toEqual(["2 conflict conflict", "1 landed", "4 landed"])
    expect([await shop.state(2), await shop.state(3)]).toEqual(["conflict", "pending"])
    expect(await shop.entry(3)).toMatchObject({ attempts: 0, reason_code: "waiting_for_dependency" })
    expect(shop.read("c.txt")).toBeNull()
    expect(shop.read("a.txt")).toBe("a\n")

    // A new answer to the same task takes the old one's place, and what waited for it follows.
    await shop.enqueue([requestOf("wrong", { "right.txt": "r\n" })])
    expect(outcomes(await shop.drain())).toEqual(["5 landed", "3 landed"])
  })

  test("a file where another entry wants a folder is one entry's conflict", async () => {
    await open()
    await shop.enqueue([
      requestOf("file", { x: "a file\n" }),
      requestOf("folder", { "x/y.txt": "in a folder\n" }),
      requestOf("other", { "z.txt": "z\n" }),
    ])
    expect(outcomes(await shop.drain()).toSorted()).toEqual([
      "1 landed",
      "2 conflict file_in_the_way",
      "3 landed",
    ])
  })

  test("two changes of one file are two commits on each other", async () => {
    await open({ files: { "text.txt": TEXT } })
    await shop.enqueue([lineChange("top", 1, "TOP"), lineChange("bottom", 10, "BOTTOM")])
    expect(outcomes(await shop.drain())).toEqual(["1 landed", "2 landed"])
    expect(shop.read("text.txt")).toBe(withLine(1, "TOP").replace("line 10\n", "BOTTOM\n"))
    expect((await shop.receipt(1)).flags).toEqual(["unattended", "unguarded"])
    expect((await shop.receipt(2)).flags).toEqual(["rebased", "unattended", "unguarded"])
  })

  test("every commit and receipt says who made it, for which task, and what changed", async () => {
    await open()
    await shop.enqueue([requestOf("one", { "b.txt": "b\n" }), requestOf("two", { "c.txt": "c\n" })])
    await shop.drain()
    const [first, second] = [await shop.receipt(1), await shop.receipt(2)]
    expect(second.base_tree).toBe(first.result_tree)
    expect(second.patches).toEqual([
      {
        path: "c.txt",
        operation: "add",
        patch_hash: contentHashOf("c\n"),
        before_hash: null,
        after_hash: contentHashOf("c\n"),
        mode: "100644",
      },
    ])
    expect(second.verified_as).toBe("unguarded")
    const { entry } = await shop.show(2)
    expect(shop.git("show", "--no-patch", "--format=%an|%cn|%s", second.commit!)).toBe(
      "stub|Ada|change c.txt",
    )
    const trailers = shop.git("show", "--no-patch", "--format=%(trailers:only)", second.commit!)
    for (const line of [`Cast-Id: ${entry.cast_id}`, "Task-Id: two", "Request-Id: two", "Cast-Checksum: "])
      expect(trailers).toContain(line)
  })

  test("an agent's words in the commit cannot act on a terminal or forge a trailer", async () => {
    await open()
    const intent = "do it\u001b[2J\n\nApproved-by: boss\nCast-Id: cast-0000000000000000"
    await shop.enqueue([
      requestOf("one", { "b.txt": "b\n" }, { agent: "Eve <\u202e>", metadata: { intent } }),
    ])
    await shop.drain()
    expect(shop.git("log", "-1", "--format=%an|%s")).toBe("Eve \\u{202e}|do it\\u{1b}[2J")
    expect(shop.git("log", "-1", "--format=%(trailers:key=Approved-by)")).toBe("")
    const { entry } = await shop.show(1)
    expect(shop.git("log", "-1", "--format=%(trailers:key=Cast-Id,valueonly)")).toBe(entry.cast_id)
  })

  test("an unborn branch gets its first commit", async () => {
    await open({ files: {} })
    await shop.enqueue([requestOf("one", { "b.txt": "b\n" }), requestOf("two", { "c/d.txt": "d\n" })])
    expect(outcomes(await shop.drain())).toEqual(["1 landed", "2 landed"])
    expect(shop.git("rev-list", "--count", "main")).toBe("2")
    expect(shop.git("status", "--porcelain")).toBe("")
  })

  test("§17: an entry whose stored payload was tampered with fails alone, and the list still works", async () => {
    await open()
    await shop.enqueue([requestOf("bad", { "b.txt": "b\n" }), requestOf("good", { "c.txt": "c\n" })])
    await shop.query((db) =>
      db.run("UPDATE entry_payload SET body = replace(body, 'b.txt', 'e.txt') WHERE id = 1"),
    )
    expect(outcomes(await shop.drain())).toEqual(["2 landed"])
    expect(await shop.state(1)).toBe("failed")
    expect((await shop.show(1)).failure).toMatchObject({ code: "payload_unreadable" })
    // The log knows what was accepted, and says so until it is put right.
    await shop.query((db) =>
      db.run("UPDATE entry_payload SET body = replace(body, 'e.txt', 'b.txt') WHERE id = 1"),
    )
  })
})

describe("the operator's working tree in the way", () => {
  test.each([
    [
      "a dirty file",
      "blocked_dirty",
      () => shop.write({ "a.txt": "mine\n" }),
      () => shop.write({ "a.txt": "a\n" }),
    ],
    [
      "a staged change",
      "blocked_staged",
      () => {
        shop.write({ "a.txt": "mine\n" })
        shop.git("add", "a.txt")
      },
      () => shop.git("reset", "--quiet", "--hard"),
    ],
    [
      "an untracked file at the new path",
      "blocked_untracked_in_the_way",
      () => shop.write({ "new.txt": "mine\n" }),
      () => shop.write({ "new.txt": null }),
    ],
    [
      "somebody's index.lock",
      "blocked_index_locked",
      () => shop.write({ ".git/index.lock": "" }),
      () => shop.write({ ".git/index.lock": null }),
    ],
  ])(
    "%s: it waits, uses no attempt, and lands by itself once the way is free",
    async (_, code, block, free) => {
      await open()
      await shop.enqueue([
        {
          ...requestOf("one", { "new.txt": "new\n" }),
          changes: [
            ...(requestOf("x", { "new.txt": "new\n" }).changes as object[]),
            patchOf("a.txt", "--- a/a.txt\n+++ b/a.txt\n@@ -1 +1 @@\n-a\n+changed\n"),
          ],
        },
      ])
      block()
      expect(outcomes(await shop.drain())).toEqual([`1 blocked ${code}`])
      const waiting = await shop.entry(1)
      expect(waiting).toMatchObject({ state: "verified", reason_code: code, attempts: 1 })
      const rows = () =>
        shop.query((db) => db.query<{ n: number }, []>("SELECT count(*) AS n FROM audit").get()!.n)
      const before = await rows()
      // Looking again in vain writes nothing.
      for (let look = 0; look < 3; look++) {
        await shop.pass(3_000)
        expect(outcomes(await shop.drain())).toEqual([`1 blocked ${code}`])
      }
      expect(await rows()).toBe(before)
      free()
      await shop.pass(3_000)
      expect(outcomes(await shop.drain())).toEqual(["1 landed"])
      expect((await shop.entry(1)).attempts).toBe(1)
      expect(shop.git("status", "--porcelain")).toBe("")
      expect(shop.read("a.txt")).toBe("changed\n")
    },
  )

  test("a rebase in progress", async () => {
    await open()
    shop.git("checkout", "--quiet", "-b", "side")
    shop.commit("side", { "a.txt": "side\n" })
    shop.git("checkout", "--quiet", "main")
    shop.commit("main", { "a.txt": "main\n" })
    await shop.enqueue([requestOf("one", { "new.txt": "new\n" })])
    expect(() => shop.git("rebase", "side")).toThrow()
    expect(outcomes(await shop.drain())).toEqual(["1 blocked blocked_operation_in_progress"])
    expect(await shop.entry(1)).toMatchObject({ state: "verified", attempts: 1 })
    shop.git("rebase", "--abort")
    await shop.pass(3_000)
    expect(outcomes(await shop.drain())).toEqual(["1 landed"])
  })

  test("a rebase in progress, under a policy that lands on what is checked out", async () => {
    const { landing: _, ...policy } = OPEN_POLICY
    await open({ policy })
    shop.git("checkout", "--quiet", "-b", "side")
    shop.commit("side", { "a.txt": "side\n" })
    shop.git("checkout", "--quiet", "main")
    shop.commit("main", { "a.txt": "main\n" })
    await shop.enqueue([requestOf("one", { "new.txt": "new\n" })])
    expect(() => shop.git("rebase", "side")).toThrow()
    expect(outcomes(await shop.drain())).toEqual(["1 blocked blocked_operation_in_progress"])
    shop.git("rebase", "--abort")
    expect(outcomes(await shop.drain())).toEqual(["1 landed"])
    expect(shop.git("show", "main:new.txt")).toBe("new")
  })

  test("blocks only the entries that touch it", async () => {
    await open({ files: { "a.txt": "a\n", "text.txt": TEXT } })
    await shop.enqueue([
      requestOf("one", { "new.txt": "new\n" }),
      lineChange("two", 1, "TOP"),
      requestOf("three", { "other.txt": "other\n" }),
      requestOf("four", { "last.txt": "last\n" }, { depends_on: ["two"] }),
    ])
    shop.write({ "text.txt": "mine\n" })
    const told = outcomes(await shop.drain())
    expect(told.toSorted()).toEqual(["1 landed", "2 blocked blocked_dirty", "3 landed"])
    expect([await shop.state(2), await shop.state(4)]).toEqual(["verified", "pending"])
    expect((await shop.entry(4)).attempts).toBe(0)
    expect(shop.read("text.txt")).toBe("mine\n")
    shop.write({ "text.txt": TEXT })
    await shop.pass(3_000)
    expect(outcomes(await shop.drain())).toEqual(["2 landed", "4 landed"])
  })

  test("landing on a branch that is not checked out touches no file of the one that is", async () => {
    await open()
    shop.git("checkout", "--quiet", "-b", "elsewhere")
    shop.write({ "a.txt": "dirty\n" })
    await shop.enqueue([requestOf("one", { "b.txt": "b\n" })])
    expect(outcomes(await shop.drain())).toEqual(["1 landed"])
    expect(shop.read("b.txt")).toBeNull()
    expect(shop.git("show", "main:b.txt")).toBe("b")
    expect(shop.git("status", "--porcelain")).toBe(" M a.txt")
  })
})

test("§17: of several files of a change all land or none", async () => {
  await open()
  await shop.enqueue([requestOf("one", { "b.txt": "b\n", "c.txt": "c\n", "new/d.txt": "d\n" })])
  // A file in place of the folder: found only when the working tree is looked at.
  shop.write({ new: "mine\n" })
  expect(outcomes(await shop.drain())).toEqual(["1 blocked blocked_untracked_in_the_way"])
  expect([shop.read("b.txt"), shop.read("c.txt"), shop.read("new")]).toEqual([null, null, "mine\n"])
  expect(shop.git("rev-list", "--count", "main")).toBe("1")
})

test("§17: an idle worker writes nothing", async () => {
  await open()
  const other = new Sqlite(join(shop.root, ".hyperion/hyperion.db"), { readonly: true })
  const version = () => other.query<{ data_version: number }, []>("PRAGMA data_version").get()!.data_version
  const before = version()
  const worker = shop.forkWorker()
  for (let look = 0; look < 20; look++) await shop.pass(1_000)
  // Every single look of five minutes.
  await shop.pass(300_000)
  expect(version()).toBe(before)
  // It is alive all the same.
  await shop.enqueue([requestOf("one", { "b.txt": "b\n" })])
  while ((await shop.state(1)) !== "applied") await shop.pass(1_000)
  await Effect.runPromise(Fiber.interrupt(worker))
  other.close()
}, 20_000)

test("an idle worker is woken by what another process commits, not by its clock", async () => {
  await open()
  const other = await openProcess(shop.repository)
  const worker = shop.forkWorker()
  const waiting = () => inspectBells(join(shop.root, ".hyperion/hyperion.db")).live
  const eventLoop = () => new Promise((resolve) => setImmediate(resolve))
  while (waiting().length === 0) await eventLoop()
  // From here on its clock stands still.
  const [id] = await other.enqueue([requestOf("one", { "b.txt": "b\n" })])
  while ((await shop.state(id!)) !== "applied") await eventLoop()
  await Effect.runPromise(Fiber.interrupt(worker))
  expect(waiting()).toEqual([])
  await other.dispose()
})

test("a blocked chain lands in the order of its dependencies, whatever its priorities are", async () => {
  await open()
  await shop.enqueue([
    requestOf("early", { "b.txt": "b\n" }),
    requestOf("late", { "c.txt": "c\n" }, { depends_on: ["early"] }),
  ])
  shop.write({ ".git/index.lock": "" })
  await shop.drain()
  expect([await shop.state(1), await shop.state(2)]).toEqual(["verified", "verified"])
  await shop.query((db) => db.run("UPDATE entry SET rank = rank - 1e12 WHERE id = 2"))
  shop.write({ ".git/index.lock": null })
  await shop.pass(3_000)
  expect(outcomes(await shop.drain())).toEqual(["1 landed", "2 landed"])
})

describe("preview mode", () => {
  test("proves everything and lands nothing", async () => {
    await open({ policy: { ...OPEN_POLICY, landing: { mode: "preview", branch: "main" } } })
    const tip = shop.git("rev-parse", "main")
    await shop.enqueue([requestOf("one", { "b.txt": "b\n" }), requestOf("two", { "c.txt": "c\n" })])
    expect(outcomes(await shop.drain())).toEqual(["1 waiting preview", "2 waiting preview"])
    expect([await shop.state(1), await shop.state(2)]).toEqual(["verified", "verified"])
    expect(await shop.drain()).toEqual([])
    expect(shop.git("rev-parse", "main")).toBe(tip)
    expect(shop.git("status", "--porcelain")).toBe("")
    const { verification } = await shop.show(1)
    expect(verification!.result_tree).toMatch(/^[0-9a-f]{40}$/)
  })
})
