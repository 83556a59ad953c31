import { afterEach, describe, expect, test } from "bun:test"
import * as Effect from "effect/Effect"
import { RequestStore } from "../../src/intake/RequestStore.ts"
import { blame } from "../../src/operations/blame.ts"
import { START } from "../support/effect.ts"
import { requestOf } from "../support/workspace.ts"
import { openWorkshop, type Workshop } from "../worker/workshop.ts"
import { lineChange, TEXT } from "./landed.ts"

let shop: Workshop
afterEach(async () => {
  await shop.dispose()
  shop.remove()
})
const of = (path: string, line: number) => shop.run(blame(path, line))

describe("a line of the landing branch", () => {
  test("is led back to its entry, request, prompt, guard logs and approver", async () => {
    shop = await openWorkshop({
      files: { "text.txt": TEXT },
      policy: {
        landing: { branch: "main" },
        guards: [{ id: "check", command: ["check"] }],
        approvals: { required: 1 },
      },
    })
    await shop.run(
      Effect.flatMap(RequestStore, (store) =>
        store.recordRun({
          taskId: "one",
          agent: "codex",
          model: "gpt-5-mini",
          outcome: "answered",
          prompt: "Please change line 1.",
          answer: "{}",
          usage: {},
          startedAt: START - 1_000,
          durationMs: 7,
        }),
      ),
    )
    await shop.enqueue([lineChange("one", 1, "ONE", { agent: "codex" })])
    await shop.drain()
    await shop.approve([1], { note: "looks right" })
    await shop.drain()
    const commit = shop.git("rev-parse", "main")
    expect(await of("text.txt", 2)).toMatchObject({
      text: "ONE",
      commit,
      entry: {
        id: 1,
        task_id: "one",
        request_id: "one",
        agent: "codex",
        prompt: { model: "gpt-5-mini", prompt: "Please change line 1." },
        approvals: [{ approver: "grace", note: "looks right" }],
        guards: [{ guard_id: "check", result: "passed", log: `.hyperion/logs/${"e".repeat(64)}.log` }],
      },
    })
  })

  test("of a person's own commit says so, and one that is not there is no line", async () => {
    shop = await openWorkshop({ files: { "text.txt": TEXT } })
    await shop.enqueue([lineChange("one", 1, "ONE")])
    await shop.drain()
    expect(await of("text.txt", 1)).toMatchObject({ author: "Ada", summary: "base", entry: null })
    expect(await of("text.txt", 2)).toMatchObject({ entry: { id: 1, prompt: null } })
    await expect(of("text.txt", 99)).rejects.toThrow("behind the end of the file")
    await expect(of("nowhere.txt", 1)).rejects.toThrow("no file of refs/heads/main")
    // Edits that nobody committed are nobody's lines yet.
    shop.write({ "text.txt": `mine\n${shop.read("text.txt")}` })
    expect((await of("text.txt", 2)).text).toBe("ONE")
  })

  test("starts no program of the repository's choosing", async () => {
    shop = await openWorkshop({ files: { "text.txt": TEXT, ".gitattributes": "*.txt diff=evil\n" } })
    shop.git("config", "diff.evil.textconv", "touch evil-was-here; cat")
    shop.git("config", "blame.ignoreRevsFile", "nowhere")
    expect((await of("text.txt", 1)).text).toBe("line 0")
    expect(shop.read("evil-was-here")).toBeNull()
    await expect(of("--help", 1)).rejects.toThrow("no file of")
    await shop.enqueue([requestOf("x", { "y.txt": "y\n" })])
  })
})
