import { afterEach, describe, expect, test } from "bun:test"
import { sha256Hex } from "../../src/domain/hash.ts"
import type { Receipt } from "../../src/domain/receipt.ts"
import { receipts } from "../../src/operations/receipt.ts"
import { contentHashOf, patchOf, requestOf } from "../support/workspace.ts"
import { findFaults, openWorkshop, type Workshop } from "../worker/workshop.ts"
import { forget, lineChange, TEXT, tamper, verifyAll } from "./landed.ts"

let shop: Workshop
const open = async (files: Readonly<Record<string, string>> = { "a.txt": "a\n", "text.txt": TEXT }) => {
  shop = await openWorkshop({ files })
}
afterEach(() => shop.remove())

const methods = async (id: string) => {
  const [verified] = await verifyAll(shop, id)
  expect(verified!.fault).toBeNull()
  return verified!.paths.map(({ path, method }) => `${path} ${method}`)
}

describe("a landing is recomputed by git itself", () => {
  test("patches by git apply, whole content as content, repairs in their canonical form, merges by what was stored", async () => {
    await open()
    await shop.enqueue([
      requestOf("content", { "new.txt": "new\n" }),
      lineChange("patch", 1, "ONE"),
      {
        ...requestOf("delete", {}),
        changes: [patchOf("a.txt", "--- a/a.txt\n+++ /dev/null\n@@ -1 +0,0 @@\n-a\n", "delete")],
      },
      // The stated numbers of lines are wrong.
      {
        ...requestOf("repaired", {}),
        changes: [patchOf("r.txt", "--- /dev/null\n+++ b/r.txt\n@@ -0,0 +1,7 @@\n+r\n", "add")],
      },
      lineChange("beside", 10, "TEN"),
    ])
    await shop.drain()
    expect(await methods("content")).toEqual(["new.txt content"])
    expect(await methods("patch")).toEqual(["text.txt patch"])
    expect(await methods("delete")).toEqual(["a.txt patch"])
    expect(await methods("repaired")).toEqual(["r.txt canonical"])
    // Merged, but every hunk stands where it was written for.
    expect(await methods("beside")).toEqual(["text.txt patch"])
    // One of the patch's context lines is another one now: the patch alone does not say what came out.
    shop.commit("by hand", { "text.txt": shop.read("text.txt")!.replace("line 3\n", "three\n") })
    await shop.enqueue([lineChange("merged", 5, "FIVE")])
    await shop.drain()
    expect(await methods("merged")).toEqual(["text.txt post-image"])
    expect((await verifyAll(shop)).map(({ ok }) => ok)).toEqual([true, true, true, true, true, true])
    expect(await findFaults(shop)).toEqual([])
  })

  test("links, modes, binary files and a folder in the place of a file", async () => {
    await open({ "a.txt": "a\n", bin: "x\0y", x: "file\n" })
    shop.git("checkout", "--quiet", "-b", "work")
    shop.write({ bin: "x\0zz\0", x: null })
    shop.commit("binary and folder", { "x/y": "in a folder\n" })
    shop.git("update-index", "--chmod=+x", "a.txt")
    Bun.spawnSync(["ln", "-s", "a.txt", "link"], { cwd: shop.root })
    shop.git("add", "link")
    shop.git("commit", "--quiet", "-m", "mode and link")
    const diffs = shop.git("diff-tree", "-p", "--binary", "--full-index", "--no-renames", "main", "work")
    shop.git("reset", "--quiet", "--hard")
    shop.git("checkout", "--quiet", "main")
    const changes = diffs.split(/^(?=diff --git )/m).map((text) => {
      const patch = text.endsWith("\n") ? text : `${text}\n`
      const path = /^diff --git a\/(.*) b\//.exec(patch)![1]!
      const operation = /^new file/m.test(patch) ? "add" : /^deleted file/m.test(patch) ? "delete" : "update"
      return patchOf(path, patch, operation)
    })
    await shop.enqueue([{ ...requestOf("awkward", {}), changes }])
    await shop.drain()
    expect(shop.git("rev-parse", "main^{tree}")).toBe(shop.git("rev-parse", "work^{tree}"))
    const paths = await methods("awkward")
    expect(paths.length).toBe(5)
    expect(paths.every((one) => one.endsWith(" patch"))).toBe(true)
  })

  test("what was there already, behind another one in the same batch, stands on the tree that one left", async () => {
    await open()
    await shop.enqueue([requestOf("one", { "b.txt": "b\n" }), requestOf("two", { "b.txt": "b\n" })])
    await shop.drain()
    const [one, two] = [await shop.receipt(1), await shop.receipt(2)]
    expect(two).toMatchObject({ commit: null, base_tree: one.result_tree, result_tree: one.result_tree })
    expect((await verifyAll(shop)).map(({ fault }) => fault)).toEqual([null, null])
  })

  test("after git has lost commits and bases, and the queue its casts: from what was kept", async () => {
    await open()
    await shop.enqueue([lineChange("one", 1, "ONE"), requestOf("two", { "b.txt": "b\n" })])
    await shop.drain()
    shop.commit("by hand", { "c.txt": "c\n" })
    await shop.enqueue([requestOf("three", { "d.txt": "d\n" })])
    await shop.drain()
    forget(shop)
    await tamper(shop, (db) => void db.run("DELETE FROM entry_payload"))
    const found = await verifyAll(shop)
    expect(found.map(({ fault }) => fault)).toEqual([null, null, null])
    expect(found.map(({ paths }) => paths[0]!.method)).toEqual(["patch", "content", "content"])
    expect(found[0]!.notes).toEqual([
      "git has its base tree no more: it was rebuilt from the log",
      expect.stringContaining("has the commit"),
    ])
  })

  test("a base that nobody has any more is a fault", async () => {
    await open()
    await shop.enqueue([lineChange("one", 1, "ONE")])
    await shop.drain()
    shop.commit("by hand", { "c.txt": "c\n" })
    forget(shop)
    await tamper(shop, (db) => void db.run("DELETE FROM base_checkpoint"))
    expect((await verifyAll(shop))[0]!.fault).toMatchObject({ code: "base_tree" })
  })
})

describe("what was changed afterwards is named", () => {
  const landOne = async () => {
    await open()
    await shop.enqueue([lineChange("one", 1, "ONE"), requestOf("two", { "b.txt": "b\n" })])
    await shop.drain()
  }
  const firstFault = async () => (await verifyAll(shop, "1"))[0]!.fault

  test.each([
    ["the receipt", "receipt_changed", "UPDATE receipt SET body = replace(body, 'unattended', 'attended')"],
    ["a receipt that is no JSON", "receipt_unreadable", "UPDATE receipt SET body = '{'"],
    [
      "the cast",
      "cast",
      'UPDATE entry_payload SET body = replace(body, \'"intent":"one"\', \'"intent":"uno"\')',
    ],
    ["a stored content", "blob", "UPDATE blob SET data = x'00'"],
    ["a lost content", "blob", "DELETE FROM blob"],
    [
      "what a path was before",
      "before_hash",
      "UPDATE landing_effect SET before_hash = after_hash WHERE entry_id = 1",
    ],
    ["a mode", "mode", "UPDATE landing_effect SET after_mode = '100755' WHERE entry_id = 1"],
    ["the row that records it", "audit_row", "UPDATE audit SET event = 'leased' WHERE event = 'applied'"],
  ])("%s", async (_, code, statement) => {
    await landOne()
    await tamper(shop, (db) => void db.run(statement))
    expect(await firstFault()).toMatchObject({ code })
  })

  test("a receipt forged together with its row in the log does not survive git apply", async () => {
    await landOne()
    await tamper(shop, (db) => {
      const row = db.query<{ body: string }, []>("SELECT body FROM receipt WHERE entry_id = 1").get()!
      const receipt = JSON.parse(row.body) as Receipt
      const forged = JSON.stringify({ ...receipt, result_tree: receipt.base_tree })
      db.query("UPDATE receipt SET body = ? WHERE entry_id = 1").run(forged)
      db.query("UPDATE audit SET data = json_set(data, '$.receipt_sha256', ?) WHERE seq = ?").run(
        sha256Hex(forged),
        receipt.audit_seq,
      )
    })
    expect(await firstFault()).toMatchObject({ code: "result_tree", where: "text.txt" })
    // The others are not drawn in.
    expect((await verifyAll(shop, "2"))[0]!.ok).toBe(true)
  })
})

describe("the receipt itself", () => {
  test("is given as it is stored", async () => {
    await open()
    await shop.enqueue([requestOf("one", { "b.txt": "b\n" })])
    await shop.drain()
    const [receipt] = await shop.run(receipts("one"))
    expect(receipt).toEqual(await shop.receipt(1))
    expect(receipt!.patches[0]!.after_hash).toBe(contentHashOf("b\n"))
  })

  test("of what has not landed there is none", async () => {
    await open()
    await shop.enqueue([requestOf("one", { "b.txt": "b\n" })])
    await expect(shop.run(receipts("one"))).rejects.toThrow("has not landed")
    await expect(shop.run(receipts("nobody"))).rejects.toThrow("nothing here is called")
  })
})
