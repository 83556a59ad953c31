import { afterEach, expect, test } from "bun:test"
import * as Effect from "effect/Effect"
import { markApplied } from "../../src/operations/mark.ts"
import { freezeQueue, thawQueue } from "../../src/queue/freeze.ts"
import { QueueService } from "../../src/queue/QueueService.ts"
import { OPEN_POLICY, requestOf } from "../support/workspace.ts"
import { findFaults, openWorkshop, type Workshop, type WorkshopOptions } from "./workshop.ts"

const shops: Workshop[] = []
const open = async (options: WorkshopOptions = {}) => {
  const shop = await openWorkshop(options)
  shops.push(shop)
  return shop
}
afterEach(() => {
  for (const shop of shops.splice(0)) shop.remove()
})

const APPROVED = { ...OPEN_POLICY, approvals: { required: 1 } } as const
const mark = (shop: Workshop, id: number) =>
  shop.run(Effect.either(markApplied(String(id), "cherry-picked by hand")))

test("what a person has put on the branch themselves is recorded, with a receipt that says so", async () => {
  const shop = await open({ policy: APPROVED })
  const [id] = await shop.enqueue([requestOf("one", { "one.txt": "1\n" })])
  await shop.drain()
  expect(await shop.state(id!)).toBe("awaiting_approval")
  const tip = shop.commit("by hand", { "one.txt": "1\n" })
  expect(await mark(shop, id!)).toMatchObject({ right: id })
  const receipt = await shop.receipt(id!)
  expect(receipt).toMatchObject({ commit: null, approvals: [] })
  expect(receipt.flags).toContain("marked_applied")
  expect(receipt.flags).toContain("noop")
  expect(await shop.events(id!)).toContain("marked_applied")
  expect(shop.git("rev-parse", "main")).toBe(tip)
  expect(await findFaults(shop)).toEqual([])
})

test("not when one of its results is missing, or another: nothing is changed", async () => {
  const shop = await open({ policy: APPROVED })
  const [id] = await shop.enqueue([requestOf("one", { "one.txt": "1\n", "two.txt": "2\n" })])
  const before = await shop.entry(id!)
  expect(await mark(shop, id!)).toMatchObject({ left: { _tag: "WrongState" } })
  shop.commit("half of it", { "one.txt": "1\n" })
  expect(await mark(shop, id!)).toMatchObject({ left: { _tag: "WrongState" } })
  shop.commit("another", { "two.txt": "3\n" })
  expect(await mark(shop, id!)).toMatchObject({ left: { _tag: "WrongState" } })
  expect(await shop.entry(id!)).toEqual(before)
  expect(await findFaults(shop)).toEqual([])
})

test("a failed entry as well; nothing while the queue is frozen", async () => {
  const shop = await open({
    policy: { ...OPEN_POLICY, sandbox: "preferred", guards: [{ id: "unit", command: ["true"] }] },
    guard: ({ read }) => (read("one.txt") === null ? "green" : "red"),
  })
  const [id] = await shop.enqueue([requestOf("one", { "one.txt": "1\n" })])
  await shop.drain()
  expect(await shop.state(id!)).toBe("failed")
  shop.commit("by hand", { "one.txt": "1\n" })
  await shop.run(
    Effect.flatMap(QueueService, (queue) =>
      queue.transact((db, at) => freezeQueue(db, { actor: "ada", reason: "release" }, at)),
    ),
  )
  expect(await mark(shop, id!)).toMatchObject({ left: { _tag: "WrongState", state: "failed" } })
  await shop.run(
    Effect.flatMap(QueueService, (queue) => queue.transact((db, at) => thawQueue(db, "ada", at))),
  )
  expect(await mark(shop, id!)).toMatchObject({ right: id })
  expect(await findFaults(shop)).toEqual([])
})
