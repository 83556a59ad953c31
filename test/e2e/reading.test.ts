import { afterAll, beforeAll, describe, expect } from "bun:test"
import { copyRepository, hasBinary, patchOf, requestOf } from "../support/workspace.ts"
import { around, binaryTest, type E2e, expectDecent, openE2e } from "./support.ts"

let template: E2e
const shops: E2e[] = []
const open = (): E2e => {
  const shop = around(copyRepository(template))
  shops.push(shop)
  return shop
}
beforeAll(() => {
  if (hasBinary) template = openE2e()
})
afterAll(() => {
  for (const shop of [template, ...shops]) shop?.remove()
})

describe("show", () => {
  binaryTest(
    "cuts a file that is given whole on a screen, says by how much, and has all of it in JSON",
    () => {
      const shop = open()
      const content = Array.from({ length: 500 }, (_, n) => `line ${n + 1}\n`).join("")
      shop.enqueue(requestOf("long", { "long.txt": content, "short.txt": "+ one\n" }))
      const shown = shop.run(["show", "1"])
      expectDecent(shown)
      expect(shown.stdout).toContain("  line 20\n  … 480 more lines: hyperion show 1 --format json\n")
      expect(shown.stdout).not.toContain("line 21")
      expect(shown.stdout).toContain("add short.txt\n  + one\n")
      const { cast } = JSON.parse(shop.run(["show", "1", "--format", "json"]).stdout)
      expect(cast.change_request.changes[0].content).toBe(content)
    },
  )

  binaryTest("and list say who holds an entry; list --held lists those", () => {
    const shop = open()
    shop.enqueue(requestOf("one", { "one.txt": "1\n" }), requestOf("two", { "two.txt": "2\n" }))
    expect(shop.run(["hold", "2", "--reason", "not now"]).code).toBe(0)
    expect(shop.run(["show", "2"]).stdout).toMatch(/^held {8}by ada since \S+: not now$/m)
    expect(shop.run(["list"]).stdout).toMatch(/^2 +pending, held /m)
    const { entries } = JSON.parse(shop.run(["list", "--held", "--format", "json"]).stdout)
    expect(entries).toMatchObject([{ id: 2, held: { by: "ada", reason: "not now" } }])
    shop.run(["release", "2"])
    expect(JSON.parse(shop.run(["list", "--held", "--format", "json"]).stdout).entries).toEqual([])
    expect(JSON.parse(shop.run(["show", "2", "--format", "json"]).stdout).entry.held).toBeNull()
  })
})

describe("a link that leads out of the repository", () => {
  const link = (target: string) =>
    patchOf(
      "link",
      `diff --git a/link b/link\nnew file mode 120000\nindex 0000000..1111111\n--- /dev/null\n+++ b/link\n@@ -0,0 +1 @@\n+${target}\n\\ No newline at end of file\n`,
      "add",
    )
  binaryTest("is refused at the door, by validate-change and enqueue alike (exit 5)", () => {
    const shop = open()
    for (const [target, code] of [
      ["../../etc/passwd", "link_target_outside"],
      ["/etc/passwd", "link_target_absolute"],
      [".git/config", "link_target_protected"],
    ] as const) {
      const file = shop.file({
        ...requestOf("link", {}),
        metadata: { intent: "link" },
        changes: [link(target)],
      })
      for (const args of [
        ["validate-change", file],
        ["enqueue", file],
      ]) {
        const ran = shop.run(args)
        expectDecent(ran)
        expect(ran.code).toBe(5)
        expect(ran.stdout + ran.stderr).toContain(code)
      }
    }
    const inside = shop.file({
      ...requestOf("link", {}),
      metadata: { intent: "link" },
      changes: [link("dir/f.txt")],
    })
    expect(shop.run(["validate-change", inside]).code).toBe(0)
    shop.run(["enqueue", inside])
    shop.goodChange()
    expect(shop.read("link")).toBe("f\n")
  })
})
