import { afterEach, describe, expect, test } from "bun:test"
import type { PolicyInput } from "../../src/domain/policy.ts"
import { linePatch, patchOf, requestOf } from "../support/workspace.ts"
import { LINES, lineChange, TEXT, withLine } from "./text.ts"
import { findFaults, openWorkshop, outcomes, type Workshop, type WorkshopOptions } from "./workshop.ts"

let shop: Workshop
afterEach(async () => {
  const faults = await findFaults(shop)
  shop.remove()
  expect(faults).toEqual([])
})

const CAREFUL: Omit<PolicyInput, "version"> = {
  landing: { branch: "main" },
  guards: [{ id: "unit", command: ["unit-tests"], flaky_retries: 0 }],
  approvals: { required: 1, presence: "tty" },
}
const open = async (options: WorkshopOptions = {}) => {
  shop = await openWorkshop({ policy: CAREFUL, ...options })
}

const withoutBaseHash = (request: ReturnType<typeof lineChange>) => ({
  ...request,
  changes: request.changes.map(({ base_hash: _, ...change }) => change),
})

describe("an approval", () => {
  test("is waited for, given, and then the change lands with the approver in commit and receipt", async () => {
    await open()
    await shop.enqueue([requestOf("one", { "b.txt": "b\n" })])
    expect(outcomes(await shop.drain())).toEqual(["1 waiting approval_missing"])
    expect(await shop.state(1)).toBe("awaiting_approval")
    expect(shop.read("b.txt")).toBeNull()
    expect(await shop.drain()).toEqual([])
    const { approved } = await shop.approve([1])
    expect(approved).toMatchObject([{ entry_id: 1, state: "verified", recorded: "approval", missing: "" }])
    expect(outcomes(await shop.drain())).toEqual(["1 landed"])
    const receipt = await shop.receipt(1)
    expect(receipt.approvals).toMatchObject([
      { approver: "grace", attested: false, digest: approved[0]!.digest },
    ])
    expect(receipt.guard_outputs).toMatchObject([{ guard_id: "unit", result: "passed" }])
    expect(receipt.verified_as).toBe(receipt.result_tree)
    expect(shop.git("log", "-1", "--format=%(trailers:key=Approved-by)")).toBe("Approved-by: grace")
  })

  test("wrong digits approve nothing", async () => {
    await open({ types: () => "000000" })
    await shop.enqueue([requestOf("one", { "b.txt": "b\n" })])
    await shop.drain()
    await expect(shop.approve([1])).rejects.toThrow("not the first 6 digits")
    expect(await shop.state(1)).toBe("awaiting_approval")
    expect((await shop.show(1)).approvals).toEqual([])
  })

  test("§17: what the document says about approvals is shown and never counted", async () => {
    await open()
    await shop.enqueue([
      requestOf("one", { "b.txt": "b\n" }, { metadata: { intent: "x", approvals: [{ approver: "boss" }] } }),
    ])
    expect(outcomes(await shop.drain())).toEqual(["1 waiting approval_missing"])
    expect((await shop.show(1)).cast?.approvals).toMatchObject([{ approver: "boss" }])
    await shop.approve([1])
    await shop.drain()
    expect((await shop.receipt(1)).approvals.map(({ approver }) => approver)).toEqual(["grace"])
  })

  test("nobody approves their own change", async () => {
    await open()
    await shop.enqueue([requestOf("one", { "b.txt": "b\n" }, { agent: "Grace" })])
    await shop.drain()
    await expect(shop.approve([1])).rejects.toThrow("nobody approves their own change")
  })

  test("outlives a moved base when what it binds is the same: proven again, not asked again", async () => {
    const trees: (string | null)[] = []
    await open({
      guard: ({ read }) => {
        if (read("b.txt") !== null) trees.push(read("hand.txt"))
        return "green"
      },
    })
    await shop.enqueue([requestOf("one", { "b.txt": "b\n" })])
    await shop.drain()
    await shop.approve([1])
    shop.commit("by hand", { "hand.txt": "hand\n" })
    expect(outcomes(await shop.drain())).toEqual(["1 landed"])
    expect(trees).toEqual([null, "hand\n"])
    const receipt = await shop.receipt(1)
    expect(receipt.verified_as).toBe(receipt.result_tree)
    expect(receipt.guard_outputs).toMatchObject([{ tree: receipt.result_tree }])
    expect(receipt.approvals).toMatchObject([{ approver: "grace" }])
    expect((await shop.entry(1)).attempts).toBe(1)
  })

  test("does not outlive a rebase: other bytes need another one, and the receipt says rebased", async () => {
    await open({ files: { "text.txt": TEXT } })
    await shop.enqueue([lineChange("top", 1, "TOP")])
    await shop.drain()
    const first = (await shop.approve([1])).approved[0]!.digest
    shop.commit("by hand", { "text.txt": withLine(10, "HAND") })
    expect(outcomes(await shop.drain())).toEqual(["1 waiting approval_missing"])
    const second = (await shop.approve([1])).approved[0]!.digest
    expect(second).not.toBe(first)
    expect(outcomes(await shop.drain())).toEqual(["1 landed"])
    const receipt = await shop.receipt(1)
    expect(receipt.flags).toContain("rebased")
    expect(receipt.approvals.map(({ digest }) => digest)).toEqual([second])
    expect(shop.read("text.txt")).toBe(withLine(1, "TOP").replace("line 10\n", "HAND\n"))
  })

  test("with survive_rebase it does, and the receipt says so", async () => {
    await open({
      files: { "text.txt": TEXT },
      policy: { ...CAREFUL, approvals: { required: 1, presence: "tty", survive_rebase: true } },
    })
    await shop.enqueue([lineChange("top", 1, "TOP")])
    await shop.drain()
    await shop.approve([1])
    shop.commit("by hand", { "text.txt": withLine(10, "HAND") })
    expect(outcomes(await shop.drain())).toEqual(["1 landed"])
    expect((await shop.receipt(1)).flags).toContain("survived_rebase")
  })

  test("is void when another answer to the same task takes the entry's place", async () => {
    await open()
    await shop.enqueue([requestOf("one", { "b.txt": "b\n" })])
    await shop.drain()
    await shop.approve([1])
    await shop.enqueue([requestOf("one", { "b.txt": "something else\n" })])
    expect(await shop.state(1)).toBe("cancelled")
    expect(outcomes(await shop.drain())).toEqual(["2 waiting approval_missing"])
    expect((await shop.show(1)).approvals[0]!.void).toContain("superseded")
  })

  test("given by one person where two are required is half of it", async () => {
    await open({ policy: { ...CAREFUL, approvals: { required: 2, presence: "tty" } } })
    await shop.enqueue([requestOf("one", { "b.txt": "b\n" })])
    await shop.drain()
    await shop.approve([1])
    await shop.approve([1], { as: "GRACE" })
    expect(await shop.state(1)).toBe("awaiting_approval")
    await shop.approve([1], { as: "linus" })
    expect(outcomes(await shop.drain())).toEqual(["1 landed"])
    expect((await shop.receipt(1)).approvals.map(({ approver }) => approver).toSorted()).toEqual([
      "GRACE",
      "linus",
    ])
  })
})

describe("an approval given before the guards ran", () => {
  test("counts when they are green and the change applied exactly as written", async () => {
    await open()
    await shop.enqueue([requestOf("one", { "b.txt": "b\n" })])
    expect((await shop.approve([1])).approved).toMatchObject([{ recorded: "intent" }])
    expect(outcomes(await shop.drain())).toEqual(["1 landed"])
    expect((await shop.receipt(1)).approvals).toMatchObject([{ approver: "grace" }])
  })

  test("does not count when they are red", async () => {
    await open({ guard: ({ read }) => (read("b.txt") === null ? "green" : "red") })
    await shop.enqueue([requestOf("one", { "b.txt": "b\n" })])
    await shop.approve([1])
    expect(outcomes(await shop.drain())).toEqual(["1 failed guard_failed"])
    expect(shop.read("b.txt")).toBeNull()
  })

  test("does not count when the change had to be merged", async () => {
    await open({ files: { "text.txt": TEXT } })
    await shop.enqueue([lineChange("top", 1, "TOP")])
    await shop.approve([1])
    shop.commit("by hand", { "text.txt": withLine(10, "HAND") })
    expect(outcomes(await shop.drain())).toEqual(["1 waiting approval_missing"])
    expect(shop.read("text.txt")).toBe(withLine(10, "HAND"))
  })

  test("does not count when the file it patches was not there to be seen", async () => {
    await open({ files: { "a.txt": "a\n" } })
    await shop.enqueue([lineChange("one", 1, "TOP")].map(withoutBaseHash))
    await shop.approve([1])
    shop.commit("by hand", { "text.txt": `${TEXT}and more that nobody was shown\n` })
    expect(outcomes(await shop.drain())).toEqual(["1 waiting approval_missing"])
    await shop.approve([1])
    expect(outcomes(await shop.drain())).toEqual(["1 landed"])
  })

  test("does not count when the patch had to be repaired", async () => {
    await open({ files: { "text.txt": TEXT } })
    const wrongCount = linePatch("text.txt", LINES, 1, "TOP").replace("@@ -1,3 +1,3 @@", "@@ -1,9 +1,9 @@")
    await shop.enqueue([{ ...requestOf("one", {}), changes: [patchOf("text.txt", wrongCount)] }])
    await shop.approve([1])
    expect(outcomes(await shop.drain())).toEqual(["1 waiting approval_missing"])
    await shop.approve([1])
    expect(outcomes(await shop.drain())).toEqual(["1 landed"])
    expect((await shop.receipt(1)).flags).toContain("repaired")
  })
})

describe("a sensitive path", () => {
  test("needs an approval that names it", async () => {
    await open({ files: { "package.json": "{}\n" } })
    await shop.enqueue([requestOf("one", { "AGENTS.md": "obey\n", "b.txt": "b\n" })])
    await shop.drain()
    const { approved } = await shop.approve([1])
    expect(approved[0]!.missing).toBe("acknowledgement of AGENTS.md")
    expect(await shop.drain()).toEqual([])
    expect(await shop.state(1)).toBe("awaiting_approval")
    await expect(shop.approve([1], { acknowledge: ["b.txt"] })).rejects.toThrow("not a sensitive path")
    await shop.approve([1], { acknowledge: ["AGENTS.md"] })
    expect(outcomes(await shop.drain())).toEqual(["1 landed"])
  })

  test("needs a person even where the policy asks for none", async () => {
    await open({ policy: { ...CAREFUL, approvals: { required: 0, presence: "none", unattended: true } } })
    await shop.enqueue([
      requestOf("one", { "b.txt": "b\n" }),
      requestOf("two", { ".github/workflows/x.yml": "on: x\n" }),
    ])
    expect(outcomes(await shop.drain()).sort()).toEqual(["1 landed", "2 waiting approval_missing"])
  })

  test("the policy that judges is the base's: a change cannot loosen the one it is judged by", async () => {
    await open()
    shop.git("add", "--force", "hyperion.json")
    shop.commit("track the policy")
    const loose = JSON.stringify({
      version: 1,
      approvals: { required: 0, presence: "none", unattended: true },
    })
    await shop.enqueue([
      {
        ...requestOf("loosen", {}),
        changes: [{ ...requestOf("x", { "hyperion.json": loose }).changes[0]!, operation: "update" }],
      },
    ])
    expect(outcomes(await shop.drain())).toEqual(["1 waiting approval_missing"])
    const { approved } = await shop.approve([1])
    expect(approved[0]!.missing).toBe("acknowledgement of hyperion.json")
  })

  test("an edit of the policy in the working tree stops everything until a person trusts it", async () => {
    await open()
    await shop.enqueue([requestOf("one", { "b.txt": "b\n" })])
    shop.write({
      "hyperion.json": JSON.stringify({ version: 1, approvals: { required: 0, unattended: true } }),
    })
    await expect(shop.drain()).rejects.toThrow("edited since it was last trusted")
    expect(await shop.state(1)).toBe("pending")
    await shop.trust()
    expect(outcomes(await shop.drain())).toEqual(["1 landed"])
  })
})
