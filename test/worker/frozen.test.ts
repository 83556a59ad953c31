import { afterEach, expect, test } from "bun:test"
import * as Effect from "effect/Effect"
import { freezeQueue, thawQueue } from "../../src/queue/freeze.ts"
import { QueueService } from "../../src/queue/QueueService.ts"
import { OPEN_POLICY, requestOf } from "../support/workspace.ts"
import { findFaults, openWorkshop, outcomes, type Workshop, type WorkshopOptions } from "./workshop.ts"

const shops: Workshop[] = []
const open = async (options: WorkshopOptions = {}) => {
  const shop = await openWorkshop(options)
  shops.push(shop)
  return shop
}
afterEach(() => {
  for (const shop of shops.splice(0)) shop.remove()
})

const freeze = (shop: Workshop) =>
  shop.run(
    Effect.flatMap(QueueService, (queue) =>
      queue.transact((db, at) => freezeQueue(db, { actor: "ada", reason: "release" }, at)),
    ),
  )
const thaw = (shop: Workshop) =>
  shop.run(Effect.flatMap(QueueService, (queue) => queue.transact((db, at) => thawQueue(db, "ada", at))))

test("a frozen queue proves entries and lands none; after the thaw they land", async () => {
  const shop = await open()
  const tip = shop.git("rev-parse", "main")
  await freeze(shop)
  const ids = await shop.enqueue([
    requestOf("one", { "one.txt": "1\n" }),
    requestOf("two", { "two.txt": "2\n" }),
  ])
  expect(outcomes(await shop.drain())).toEqual(ids.map((id) => `${id} waiting frozen`))
  expect([await shop.state(ids[0]!), shop.git("rev-parse", "main")]).toEqual(["verified", tip])
  expect((await shop.entry(ids[1]!)).reason).toContain("release")
  expect(outcomes(await shop.drain())).toEqual([])
  await thaw(shop)
  expect(outcomes(await shop.drain())).toEqual(ids.map((id) => `${id} landed`))
  expect(await findFaults(shop)).toEqual([])
})

test("a freeze that comes while guards run stops the landing", async () => {
  let shop: Workshop | null = null
  shop = await open({
    policy: { ...OPEN_POLICY, sandbox: "preferred", guards: [{ id: "unit", command: ["true"] }] },
    guard: () =>
      Effect.as(
        Effect.promise(async () => shop && freeze(shop)),
        "green" as const,
      ),
  })
  const [id] = await shop.enqueue([requestOf("one", { "one.txt": "1\n" })])
  expect(outcomes(await shop.drain())).toEqual([`${id} waiting frozen`])
  await thaw(shop)
  expect(outcomes(await shop.drain())).toEqual([`${id} landed`])
  expect(await findFaults(shop)).toEqual([])
})

test("a freeze that comes when the landing is about to begin is refused by its transaction", async () => {
  let shop: Workshop | null = null
  shop = await open({
    beforeLanding: async () => {
      if (shop && !frozen) await freeze(shop)
      frozen = true
    },
  })
  let frozen = false
  const tip = shop.git("rev-parse", "main")
  const [id] = await shop.enqueue([requestOf("one", { "one.txt": "1\n" })])
  await shop.drain()
  expect([await shop.state(id!), shop.git("rev-parse", "main")]).toEqual(["verified", tip])
  await thaw(shop)
  await shop.pass(60_000)
  await shop.drain()
  expect(await shop.state(id!)).toBe("applied")
  expect(await findFaults(shop)).toEqual([])
})
