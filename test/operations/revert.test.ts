import { afterEach, describe, expect, test } from "bun:test"
import { rmSync } from "node:fs"
import { join } from "node:path"
import { type RevertTarget, revert } from "../../src/operations/revert.ts"
import { START } from "../support/effect.ts"
import { OPEN_POLICY, patchOf, requestOf } from "../support/workspace.ts"
import {
  findFaults,
  openWorkshop,
  outcomes,
  type Workshop,
  type WorkshopOptions,
} from "../worker/workshop.ts"
import { forget, lineChange, TEXT, tamper, textWith, verifyAll } from "./landed.ts"

let shop: Workshop
const open = async (options: WorkshopOptions = {}) => {
  shop = await openWorkshop({ files: { "a.txt": "a\n", "text.txt": TEXT }, ...options })
}
afterEach(async () => {
  const faults = await findFaults(shop)
  shop.remove()
  expect(faults).toEqual([])
})

const undo = (id: string | number, dryRun = false) =>
  shop.run(revert({ kind: "id", id: String(id) }, { dryRun }))
const undoAll = (target: RevertTarget) => shop.run(revert(target, { dryRun: false }))
const tree = () => shop.git("rev-parse", "main^{tree}")
/** Entries a report queued, as `4 undoes 1`. */
const queued = (report: Awaited<ReturnType<typeof undo>>) =>
  report.reverted.map(({ entry_id, submission }) => `${submission.entry_id} undoes ${entry_id}`)

describe("the inverse of a landing", () => {
  test("restores every kind of change bit by bit: text, binary, mode, link, added and deleted files", async () => {
    await open({ files: { "a.txt": "a\n", "text.txt": TEXT, "old.txt": "old", bin: "x\0y" } })
    const before = tree()
    shop.git("checkout", "--quiet", "-b", "work")
    shop.write({
      bin: "x\0zz\0",
      "old.txt": null,
      "new/file.txt": "new",
      "text.txt": textWith({ 2: "TWO\r" }),
    })
    Bun.spawnSync(["ln", "-s", "a.txt", "link"], { cwd: shop.root })
    shop.git("add", "--all")
    shop.git("update-index", "--chmod=+x", "a.txt")
    shop.git("commit", "--quiet", "-m", "all kinds")
    const diffs = shop.git("diff-tree", "-p", "--binary", "--full-index", "--no-renames", "main", "work")
    shop.git("reset", "--quiet", "--hard")
    shop.git("checkout", "--quiet", "main")
    const changes = `${diffs}\n`.split(/^(?=diff --git )/m).map((patch) => {
      const path = /^diff --git a\/(.*) b\//.exec(patch)![1]!
      const operation = /^new file/m.test(patch) ? "add" : /^deleted file/m.test(patch) ? "delete" : "update"
      return patchOf(path, patch, operation)
    })
    await shop.enqueue([{ ...requestOf("all", {}), changes }])
    await shop.drain()
    expect(tree()).toBe(shop.git("rev-parse", "work^{tree}"))
    const after = tree()

    expect(queued(await undo(1))).toEqual(["2 undoes 1"])
    expect(outcomes(await shop.drain())).toEqual(["2 landed"])
    expect(tree()).toBe(before)
    expect((await shop.entry(2)).task_id).toBe("revert-1")
    expect(shop.git("log", "-1", "--format=%an|%s", "main")).toBe('hyperion|Revert "change" (entry 1)')

    // And back again: a revert is a landing like any other.
    expect(queued(await undo(2))).toEqual(["3 undoes 2"])
    await shop.drain()
    expect(tree()).toBe(after)
    expect((await verifyAll(shop)).map(({ fault }) => fault)).toEqual([null, null, null])
  })

  test("goes around what landed later and what people committed by hand", async () => {
    await open()
    await shop.enqueue([lineChange("top", 1, "TOP"), lineChange("bottom", 10, "BOTTOM")])
    await shop.drain()
    shop.commit("by hand", { "text.txt": textWith({ 1: "TOP", 6: "HAND", 10: "BOTTOM" }) })
    await undo("top")
    expect(outcomes(await shop.drain())).toEqual(["3 landed"])
    expect(shop.read("text.txt")).toBe(textWith({ 6: "HAND", 10: "BOTTOM" }))
    expect((await shop.receipt(3)).flags).toContain("rebased")
  })

  test("does so even when git has forgotten the file it was made for", async () => {
    await open()
    await shop.enqueue([lineChange("top", 1, "TOP")])
    await shop.drain()
    shop.commit("by hand", { "text.txt": textWith({ 1: "TOP", 6: "HAND" }) })
    forget(shop)
    await undo("top")
    // Not even our own store has it any more: what is left is what was kept with the landing.
    for (const folder of new Bun.Glob("cache/git/*/objects/??").scanSync({
      cwd: shop.outside,
      onlyFiles: false,
    }))
      rmSync(join(shop.outside, folder), { recursive: true })
    expect(outcomes(await shop.drain())).toEqual(["2 landed"])
    expect(shop.read("text.txt")).toBe(textWith({ 6: "HAND" }))
    await shop.dispose()
    shop.remove()
    await open()
  })

  test("of lines that were changed again is a conflict, and nothing is lost", async () => {
    await open()
    await shop.enqueue([lineChange("top", 1, "TOP")])
    await shop.drain()
    shop.commit("by hand", { "text.txt": textWith({ 1: "BETTER" }) })
    await undo("top")
    expect(outcomes(await shop.drain())).toEqual(["2 conflict conflict"])
    expect(shop.read("text.txt")).toBe(textWith({ 1: "BETTER" }))
  })

  test("is proven and approved like any change; who asks for it may approve it", async () => {
    const policy = { landing: { branch: "main" }, approvals: { required: 1 } }
    await open({ policy })
    await shop.enqueue([requestOf("one", { "b.txt": "b\n" })])
    await shop.drain()
    await shop.approve([1])
    await shop.drain()
    const before = tree()
    await undo(1)
    expect(outcomes(await shop.drain())).toEqual(["2 waiting approval_missing"])
    expect(tree()).toBe(before)
    await shop.approve([2], { as: undefined })
    expect(outcomes(await shop.drain())).toEqual(["2 landed"])
    expect(shop.read("b.txt")).toBeNull()
  })

  test("only shows what it would do when it is asked to", async () => {
    await open()
    await shop.enqueue([requestOf("one", { "b.txt": "b\n" })])
    await shop.drain()
    const report = await undo(1, true)
    expect(report.reverted).toMatchObject([
      { entry_id: 1, changes: [{ path: "b.txt", operation: "delete" }], submission: { outcome: "valid" } },
    ])
    expect(await shop.drain()).toEqual([])
  })
})

describe("a group", () => {
  const files = (task: string, text: string) => ({
    ...requestOf(task, {}),
    changes: [
      text === "1\n"
        ? { ...requestOf(task, { "n.txt": text }).changes[0] }
        : patchOf("n.txt", `--- a/n.txt\n+++ b/n.txt\n@@ -1 +1 @@\n-${Number(text) - 1}\n+${text}`, "update"),
    ],
    agent: task === "three" ? "claude" : "codex",
  })

  test("of an agent since a moment: newest landing first, chained, down to the tree before", async () => {
    await open()
    const before = tree()
    await shop.enqueue([files("one", "1\n"), files("two", "2\n")])
    await shop.drain()
    await shop.pass(60_000)
    for (const one of [files("three", "3\n"), files("four", "4\n")]) {
      await shop.enqueue([one])
      await shop.drain()
    }
    const since = await undoAll({ kind: "agent", agent: "codex", since: START + 30_000 })
    expect(since.reverted.map(({ entry_id }) => entry_id)).toEqual([4])
    await shop.drain()
    expect(shop.read("n.txt")).toBe("3\n")

    const all = await undoAll({ kind: "agent", agent: "claude", since: START })
    expect(queued(all)).toEqual(["6 undoes 3"])
    await shop.drain()
    const rest = await undoAll({ kind: "agent", agent: "codex", since: START })
    expect(rest.request_id).toBe("revert-1..2")
    expect(queued(rest)).toEqual(["7 undoes 2", "8 undoes 1"])
    expect(rest.skipped).toEqual([{ entry_id: 4, reason: "reverted already, by entry 5" }])
    expect((await shop.entry(8)).blockers).toBe(1)
    await shop.drain()
    expect(tree()).toBe(before)
    await expect(undoAll({ kind: "agent", agent: "nobody", since: START })).rejects.toThrow(
      "without a landing",
    )
  })
})

describe("refused", () => {
  test("what has not landed, what nobody knows, what is reverted already or on its way", async () => {
    await open()
    await shop.enqueue([requestOf("one", { "b.txt": "b\n" })])
    await expect(undo(1)).rejects.toThrow("has not landed")
    await expect(undo(9)).rejects.toThrow("nothing here is called")
    await shop.drain()
    await undo(1)
    await expect(undo(1)).rejects.toThrow("entry 1 is being reverted by entry 2, which is pending")
    await shop.drain()
    await expect(undo(1)).rejects.toThrow("entry 1 is reverted already, by entry 2")
    await undo(2)
    await shop.drain()
    await expect(undo(1)).rejects.toThrow("entry 1 is landed again by entry 3, which is the one to revert")
    await undo(3)
    await shop.drain()
    expect(shop.read("b.txt")).toBeNull()
  })

  test("what changed nothing", async () => {
    await open()
    await shop.enqueue([requestOf("one", { "b.txt": "b\n" })])
    shop.commit("by hand", { "b.txt": "b\n" })
    await shop.drain()
    await expect(undo(1)).rejects.toThrow("was there already")
  })

  test("what its stored contents no longer prove", async () => {
    await open()
    await shop.enqueue([requestOf("one", { "b.txt": "b\n" })])
    await shop.drain()
    await tamper(shop, (db) => void db.run("UPDATE blob SET data = x'00'"))
    await expect(undo(1)).rejects.toThrow("not as recorded")
    expect(await shop.drain()).toEqual([])
  })
})

test("in `worktree` mode, where nothing is committed, files go back all the same", async () => {
  await open({ policy: { ...OPEN_POLICY, landing: { mode: "worktree", branch: "main" } } })
  await shop.enqueue([lineChange("one", 1, "ONE"), requestOf("two", { "b.txt": "b\n" })])
  await shop.drain()
  shop.write({ "text.txt": textWith({ 1: "ONE", 8: "HAND" }) })
  await undo("one")
  await undo("two")
  expect(outcomes(await shop.drain())).toEqual(["3 landed", "4 landed"])
  expect(shop.read("text.txt")).toBe(textWith({ 8: "HAND" }))
  expect(shop.read("b.txt")).toBeNull()
  expect((await verifyAll(shop)).map(({ fault }) => fault)).toEqual([null, null, null, null])
})
