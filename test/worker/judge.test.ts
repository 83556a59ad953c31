import { afterEach, describe, expect, test } from "bun:test"
import type { PolicyInput } from "../../src/domain/policy.ts"
import { OPEN_POLICY, requestOf } from "../support/workspace.ts"
import { findFaults, openWorkshop, outcomes, type Workshop } from "./workshop.ts"

let shop: Workshop
afterEach(async () => {
  const faults = await findFaults(shop)
  shop.remove()
  expect(faults).toEqual([])
})

/** `main` and `side` with a policy of their own each; `side` is checked out. */
const open = async (main: Omit<PolicyInput, "version">, side: Omit<PolicyInput, "version">) => {
  shop = await openWorkshop({ files: { "a.txt": "a\n" } })
  const track = (policy: Omit<PolicyInput, "version">) => {
    shop.write({ "hyperion.json": JSON.stringify({ version: 1, sandbox: "preferred", ...policy }) })
    shop.git("add", "--force", "hyperion.json")
    shop.commit("policy")
  }
  track(main)
  shop.git("checkout", "--quiet", "-b", "side")
  track(side)
}
const LAX = { approvals: OPEN_POLICY.approvals!, sensitive_paths: { remove: ["*"] } }
const STRICT: Omit<PolicyInput, "version"> = { approvals: { required: 1, presence: "tty" } }
const tips = () => [shop.git("rev-parse", "main"), shop.git("rev-parse", "side")]

describe("whoever controls what is checked out", () => {
  test("chooses the branch, and that branch's policy judges", async () => {
    await open(STRICT, { ...LAX, landing: { branch: "main" } })
    await shop.enqueue([requestOf("one", { "b.txt": "b\n" })])
    expect(outcomes(await shop.drain())).toEqual(["1 waiting approval_missing"])
  })

  test("cannot have a branch land elsewhere than its own policy says", async () => {
    await open({ ...LAX, landing: { branch: "release" } }, { ...LAX, landing: { branch: "main" } })
    const before = tips()
    await expect(shop.enqueue([requestOf("one", { "b.txt": "b\n" })])).rejects.toThrow(
      "the policy of side lands on main, whose own policy lands on release",
    )
    expect(tips()).toEqual(before)
  })

  test("cannot have the files of one branch written under the policy of another", async () => {
    await open({ ...LAX, landing: { mode: "worktree" } }, { ...LAX, landing: { branch: "main" } })
    const before = tips()
    await expect(shop.enqueue([requestOf("one", { "b.txt": "b\n" })])).rejects.toThrow(
      "the policy of side lands on main, whose own policy lands in the working tree",
    )
    expect(tips()).toEqual(before)
    expect(shop.read("b.txt")).toBeNull()
  })
})
