import { afterEach, beforeEach, expect, test } from "bun:test"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import { readAll } from "../../src/operations/read-documents.ts"
import { submit } from "../../src/operations/submit.ts"
import { OPEN_POLICY } from "../support/workspace.ts"
import { findFaults, openWorkshop, type Workshop } from "./workshop.ts"

/** What git made of the history that the casts came from; `test/fixtures/make-casts.ts` prints it. */
const TREE = "10dda9961213caa7bc367e160f889c72ac41f746"
const FILE = join(import.meta.dir, "../fixtures/casts.jsonl")

let shop: Workshop
beforeEach(async () => {
  shop = await openWorkshop({ files: {}, policy: { ...OPEN_POLICY, paths: "posix" } })
})
afterEach(() => shop.remove())

test("casts that were stored once are replayed to the very tree they came from, and once only", async () => {
  const send = () =>
    shop.run(
      Effect.flatMap(readAll([FILE]), (documents) =>
        submit(documents, { supersede: false, dryRun: false, tasks: "open" }),
      ),
    )
  const outcomes = (await send()).map(({ outcome }) => outcome)
  expect(new Set(outcomes)).toEqual(new Set(["queued"]))
  const landed = (await shop.drain()).filter(({ outcome }) => outcome === "landed")
  expect(landed).toHaveLength(outcomes.length)
  expect(shop.git("rev-parse", "main^{tree}")).toBe(TREE)
  expect((await send()).map(({ outcome }) => outcome)).toEqual(outcomes.map(() => "duplicate"))
  expect(await findFaults(shop)).toEqual([])
})
