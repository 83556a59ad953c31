import { afterAll, beforeAll, describe, expect } from "bun:test"
import { hasBinary, requestOf, startHyperion } from "../support/workspace.ts"
import { binaryTest, type E2e, expectError, openE2e } from "./support.ts"

let shop: E2e
beforeAll(() => {
  if (hasBinary) shop = openE2e()
})
afterAll(() => shop?.remove())

interface Row {
  readonly path: string
  readonly event: string
  readonly source: string
  readonly details: { readonly entry_id?: number }
}
const rows = (): readonly Row[] =>
  JSON.parse(shop.run(["history", "--modifications", "--format", "json"]).stdout).modifications
/** Asks again until a path is there: the worker looks when it is told that something happened. */
const rowOf = (path: string): Row => {
  for (;;) {
    const found = rows().findLast((row) => row.path === path)
    if (found) return found
  }
}

describe("a worker that goes on", () => {
  binaryTest("records what changes in the working tree, by landings and by others", async () => {
    const worker = startHyperion(shop, ["worker"])
    try {
      shop.enqueue(requestOf("one", { "landed/one.txt": "1\n" }))
      expect(rowOf("landed/one.txt")).toMatchObject({
        event: "added",
        source: "landing",
        details: { entry_id: 1 },
      })
      shop.write({ "a.txt": "mine\n" })
      expect(rowOf("a.txt")).toMatchObject({ event: "modified", source: "foreign" })
      // In a folder that was not there when it began.
      shop.write({ "landed/two.txt": "mine too\n" })
      expect(rowOf("landed/two.txt")).toMatchObject({ event: "added", source: "foreign" })
      expect(shop.run(["history", "--modifications"]).stdout).toMatch(/modified {2}foreign {2}a\.txt/)
    } finally {
      worker.child.kill("SIGTERM")
      await worker.ended
    }
  })

  binaryTest("one entry has no files of its own to list", () =>
    expectError(
      shop.run(["history", "1", "--modifications"]),
      2,
      /takes no ID.*hint: hyperion history --modifications/,
    ),
  )
})
