import { afterEach, describe, expect, test } from "bun:test"
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import { amend } from "../../src/operations/amend.ts"
import { checkout } from "../../src/operations/checkout.ts"
import { patchOf, requestOf } from "../support/workspace.ts"
import {
  findFaults,
  openWorkshop,
  outcomes,
  type Workshop,
  type WorkshopOptions,
} from "../worker/workshop.ts"
import { lineChange, TEXT, textWith } from "./landed.ts"

let shop: Workshop
const open = async (options: WorkshopOptions = {}) => {
  shop = await openWorkshop({ files: { "a.txt": "a\n", "text.txt": TEXT }, ...options })
}
afterEach(async () => {
  const faults = await findFaults(shop)
  shop.remove()
  expect(faults).toEqual([])
})

const folder = () => join(shop.outside, "candidate")
const take = (id: string | number, to = folder()) => shop.run(Effect.scoped(checkout(String(id), to)))
const give = (id: string | number, dryRun = false, from = folder()) =>
  shop.run(Effect.scoped(amend(String(id), { from, dryRun })))
const inside = (path: string) => join(folder(), path)
const edit = (path: string, text: string) => writeFileSync(inside(path), text)

const APPROVED = { landing: { branch: "main" }, approvals: { required: 1 } }

describe("checking out", () => {
  test("an entry that waits: the tree as it would land now, bytes, modes and links as they are", async () => {
    await open({ files: { "a.txt": "a\r\n", ".gitattributes": "* text=auto eol=crlf\n*.txt filter=evil\n" } })
    shop.git("config", "filter.evil.smudge", "touch evil-was-here; cat")
    chmodSync(join(shop.root, "a.txt"), 0o755)
    Bun.spawnSync(["ln", "-s", "a.txt", "link"], { cwd: shop.root })
    shop.git("config", "--unset", "filter.evil.smudge")
    shop.commit("mode and link")
    shop.git("config", "filter.evil.smudge", "touch evil-was-here; cat")
    await shop.enqueue([requestOf("one", { "new/b.txt": "b\n" })])
    shop.commit("by hand", { "c.dat": "c\n" })
    const done = await take("one")
    expect(readFileSync(inside("new/b.txt"), "utf8")).toBe("b\n")
    expect(readFileSync(inside("c.dat"), "utf8")).toBe("c\n")
    expect(readlinkSync(inside("link"))).toBe("a.txt")
    expect(statSync(inside("a.txt")).mode & 0o111).not.toBe(0)
    expect(existsSync(inside(".git"))).toBe(false)
    expect([existsSync(inside("evil-was-here")), shop.read("evil-was-here")]).toEqual([false, null])
    expect(done).toMatchObject({ entry_id: 1, base_commit: shop.git("rev-parse", "main"), landed: false })
    shop.git("config", "--unset", "filter.evil.smudge")
  })

  test("a landed one: the tree that landed, whatever came after", async () => {
    await open()
    await shop.enqueue([lineChange("one", 1, "ONE")])
    await shop.drain()
    shop.commit("by hand", { "text.txt": "all new\n" })
    expect((await take(1)).tree).toBe((await shop.receipt(1)).result_tree)
    expect(readFileSync(inside("text.txt"), "utf8")).toBe(textWith({ 1: "ONE" }))
  })

  test("needs an empty folder and an entry that makes a tree", async () => {
    await open()
    await shop.enqueue([requestOf("one", { "b.txt": "b\n" }), requestOf("wrong", { "a.txt": "other\n" })])
    mkdirSync(folder())
    edit("mine.txt", "mine\n")
    await expect(take("one")).rejects.toThrow("not empty")
    expect(readFileSync(inside("mine.txt"), "utf8")).toBe("mine\n")
    await expect(take("wrong", join(shop.outside, "other"))).rejects.toThrow("not applicable")
    expect(existsSync(join(shop.outside, "other"))).toBe(false)
    await expect(take("nobody")).rejects.toThrow("nothing here is called")
  })
})

describe("amending", () => {
  test("supersedes the entry with what the folder holds, names the person, and needs its own approval", async () => {
    await open({ policy: APPROVED })
    await shop.enqueue([lineChange("one", 1, "ONE")])
    await shop.drain()
    await shop.approve([1])
    await take(1)
    edit("text.txt", textWith({ 1: "BETTER", 9: "NINE" }))
    edit("extra.sh", "echo\n")
    chmodSync(inside("extra.sh"), 0o755)
    rmSync(inside("a.txt"))
    const done = await give(1)
    expect(done).toMatchObject({
      co_author: "Ada <ada@example.org>",
      submission: { outcome: "queued", entry_id: 2, superseded: [1] },
    })
    expect(done.changes).toEqual([
      { path: "a.txt", operation: "delete" },
      { path: "extra.sh", operation: "add" },
      { path: "text.txt", operation: "update" },
    ])
    expect(await shop.state(1)).toBe("cancelled")
    // The approval was of something else.
    expect(outcomes(await shop.drain())).toEqual(["2 waiting approval_missing"])
    await shop.approve([2])
    expect(outcomes(await shop.drain())).toEqual(["2 landed"])
    expect(shop.read("text.txt")).toBe(textWith({ 1: "BETTER", 9: "NINE" }))
    expect(shop.git("ls-tree", "main", "extra.sh", "a.txt")).toMatch(/^100755 blob \S+\textra.sh$/)
    expect(shop.git("log", "-1", "--format=%an|%s|%(trailers:key=Co-authored-by,valueonly)", "main")).toBe(
      "stub|one|Ada <ada@example.org>",
    )
  })

  test("keeps what others committed since the checkout", async () => {
    await open()
    await shop.enqueue([lineChange("one", 1, "ONE")])
    await take(1)
    shop.commit("by hand", { "text.txt": textWith({ 10: "HAND" }), "a.txt": "aa\n" })
    edit("text.txt", textWith({ 1: "BETTER" }))
    await give(1)
    expect(outcomes(await shop.drain())).toEqual(["2 landed"])
    expect(shop.read("text.txt")).toBe(textWith({ 1: "BETTER", 10: "HAND" }))
    expect(shop.read("a.txt")).toBe("aa\n")
  })

  test("keeps author and words of a proposed commit", async () => {
    await open()
    const provenance = {
      revision: "1".repeat(40),
      author_name: "Bo",
      author_email: "bo@example.org",
      author_date: "1700000000 +0100",
      message: "subject\n\nbody\n",
    }
    await shop.enqueue([{ ...requestOf("one", { "b.txt": "b\n" }), provenance }])
    await take(1)
    edit("b.txt", "better\n")
    await give(1)
    await shop.drain()
    expect(shop.git("log", "-1", "--format=%an|%s|%b", "main")).toStartWith(
      "Bo|subject|body\n\nCo-authored-by: Ada <ada@example.org>\nCast-Id: ",
    )
  })

  test("goes through validation like any answer", async () => {
    await open()
    await shop.enqueue([requestOf("one", { "b.txt": "b\n" })])
    await take(1)
    edit("aux.txt", "x\n")
    edit("what?.txt", "x\n")
    const done = await give(1)
    expect(done.submission.outcome).toBe("rejected")
    expect(await shop.state(1)).toBe("pending")
  })

  test("is refused for a folder without a checkout, without edits, of another entry, and after landing", async () => {
    await open()
    await shop.enqueue([requestOf("one", { "b.txt": "b\n" }), requestOf("two", { "c.txt": "c\n" })])
    mkdirSync(folder())
    await expect(give(1)).rejects.toThrow("no checkout of this queue")
    await take(1)
    await expect(give(1)).rejects.toThrow("as it was checked out")
    await expect(give(2)).rejects.toThrow("a checkout of entry 1")
    rmSync(inside("b.txt"))
    await expect(give(1)).rejects.toThrow("the same as the base")
    edit("b.txt", "better\n")
    expect((await give(1, true)).submission.outcome).toBe("valid")
    expect(await shop.state(1)).toBe("pending")
    await shop.drain()
    await expect(give(1)).rejects.toThrow("only an entry that has not been decided")
    await expect(give(1, false, join(shop.outside, "nowhere"))).rejects.toThrow()
  })
})

test("a patch for a file that is gone cannot be checked out, and says where to look", async () => {
  await open()
  await shop.enqueue([
    {
      ...requestOf("gone", {}),
      changes: [patchOf("no.txt", "--- a/no.txt\n+++ b/no.txt\n@@ -1 +1 @@\n-a\n+b\n")],
    },
  ])
  await expect(take(1)).rejects.toThrow("not applicable")
})
