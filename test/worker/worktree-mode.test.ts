import { afterEach, expect, test } from "bun:test"
import { verificationOf } from "../../src/queue/read.ts"
import { changeOf, OPEN_POLICY, requestOf } from "../support/workspace.ts"
import { findFaults, openWorkshop, outcomes, type Workshop } from "./workshop.ts"

let shop: Workshop
afterEach(() => shop.remove())

const POLICY = { ...OPEN_POLICY, landing: { mode: "worktree" as const, branch: "main" } }

test("changes land in the files, one on the other, and the branch stays", async () => {
  shop = await openWorkshop({ policy: POLICY, files: { "a.txt": "a\n", "b.txt": "b\n" } })
  const head = shop.git("rev-parse", "main")
  shop.write({ "b.txt": "b by hand\n" })
  const update = (task: string, path: string, text: string) =>
    requestOf(task, {}, { changes: [changeOf(path, text, "update")] })
  const [first] = await shop.enqueue([update("T-1", "a.txt", "a2\n"), requestOf("T-2", { "c.txt": "c\n" })])
  expect(outcomes(await shop.drain())).toEqual(["1 landed", "2 landed"])
  const [third] = await shop.enqueue([update("T-3", "a.txt", "a3\n")])
  expect(outcomes(await shop.drain())).toEqual([`${third} landed`])
  expect(shop.read("a.txt")).toBe("a3\n")
  expect(shop.read("b.txt")).toBe("b by hand\n")
  expect(shop.read("c.txt")).toBe("c\n")
  expect(shop.git("rev-parse", "main")).toBe(head)
  expect(shop.git("status", "--porcelain")).toBe(" M a.txt\n M b.txt\n?? c.txt")
  const [one, three] = [await shop.receipt(first!), await shop.receipt(third!)]
  expect(one.commit).toBeNull()
  expect(one.flags).toContain("worktree")
  expect(three.base_tree).not.toBe(one.base_tree)
  expect(await findFaults(shop)).toEqual([])
})

test("what was proven on other files is proven again", async () => {
  shop = await openWorkshop({
    policy: { ...POLICY, approvals: { required: 1, presence: "tty" } },
    files: { "a.txt": "a\n" },
  })
  const [id] = await shop.enqueue([requestOf("T-1", { "c.txt": "c\n" })])
  await shop.drain()
  expect(await shop.state(id!)).toBe("awaiting_approval")
  const proof = (await shop.query((db) => verificationOf(db, id!)))!
  await shop.approve([id!])
  shop.write({ "a.txt": "by hand\n" })
  await shop.drain()
  expect(await shop.state(id!)).toBe("applied")
  const { base_tree, result_tree } = await shop.receipt(id!)
  expect(base_tree).not.toBe(proof.base_tree)
  expect(result_tree).not.toBe(proof.result_tree)
  expect(shop.read("a.txt")).toBe("by hand\n")
  expect(await findFaults(shop)).toEqual([])
})
