import { afterEach, beforeEach, describe, expect, test } from "bun:test"
import * as Effect from "effect/Effect"
import { ApplyService } from "../../src/apply/ApplyService.ts"
import type { LandingStep } from "../../src/apply/plan.ts"
import { commitMessage } from "../../src/apply/trailers.ts"
import { AGENT, type Bench, makeBench, type Wanted } from "./bench.ts"

let bench: Bench
let base: string
beforeEach(() => {
  bench = makeBench()
  bench.write({ "a.txt": "a\n", "dir/b.txt": "b\n", "dir/sub/c.txt": "c\n" })
  base = bench.commit("base")
})
afterEach(() => bench.remove())

const prepare = (steps: readonly LandingStep[], from: string | null = base) =>
  bench.apply(Effect.flatMap(ApplyService, (apply) => Effect.either(apply.prepare({ base: from, steps }))))

const planned = async (steps: readonly LandingStep[]) => {
  const plan = await prepare(steps)
  if (plan._tag === "Left") throw plan.left
  return plan.right
}

const problemOf = async (steps: readonly LandingStep[]) => {
  const plan = await prepare(steps)
  if (plan._tag === "Right" || plan.left._tag !== "PlanRefused") return null
  return [plan.left.problem.kind, plan.left.problem.path]
}

describe("a plan", () => {
  test("is the chain of commits git itself would make", async () => {
    const changes: readonly Readonly<Record<string, Wanted>>[] = [
      { "a.txt": "a2\n", "new/deep/x.txt": "x\n" },
      { "dir/sub/c.txt": null, "run.sh": { mode: "100755", content: "#!/bin/sh\n" } },
      { link: { mode: "120000", content: "dir/b.txt" }, "a.txt": "a3\n" },
    ]
    const plan = await planned(bench.steps(changes))
    const who = {
      GIT_AUTHOR_NAME: AGENT.name,
      GIT_AUTHOR_EMAIL: AGENT.email,
      GIT_AUTHOR_DATE: "1700000100 +0000",
    }
    const env = {
      ...who,
      GIT_COMMITTER_NAME: AGENT.name,
      GIT_COMMITTER_EMAIL: AGENT.email,
      GIT_COMMITTER_DATE: "1700000100 +0000",
    }
    for (const [at, change] of changes.entries()) {
      for (const [path, wanted] of Object.entries(change)) {
        const content = typeof wanted === "string" ? wanted : (wanted?.content ?? "")
        const oid = bench
          .tryGit(["hash-object", "-w", "--stdin"], { stdin: content })
          .stdout.toString()
          .trim()
        const mode = typeof wanted === "string" ? "100644" : wanted?.mode
        if (wanted === null) bench.git("rm", "-q", "--cached", path)
        else bench.git("update-index", "--add", "--cacheinfo", `${mode},${oid},${path}`)
      }
      bench.tryGit(["commit", "-q", "-m", `change ${at + 1}`], { env })
      expect(plan.steps[at]).toMatchObject({
        entryId: `entry-${at + 1}`,
        tree: bench.git("rev-parse", "HEAD^{tree}"),
        commit: bench.git("rev-parse", "HEAD"),
      })
    }
    expect(plan.tip).toBe(bench.git("rev-parse", "HEAD"))
    expect(plan.tipTree).toBe(bench.git("rev-parse", "HEAD^{tree}"))
    const net = plan.net.map((effect) => [
      effect.path,
      effect.before?.mode ?? null,
      effect.after?.mode ?? null,
    ])
    expect(net).toEqual([
      ["a.txt", "100644", "100644"],
      ["dir/sub/c.txt", "100644", null],
      ["link", null, "120000"],
      ["new/deep/x.txt", null, "100644"],
      ["run.sh", null, "100755"],
    ])
  })

  test("leaves out of its net what ends as it began, and is the same every time", async () => {
    const steps = bench.steps([
      { "a.txt": "x\n", "t.txt": "t\n" },
      { "a.txt": "a\n", "t.txt": null },
    ])
    const plan = await planned(steps)
    expect(plan.net).toEqual([])
    expect(plan.tipTree).toBe(plan.baseTree)
    expect(await planned(steps)).toEqual(plan)
  })
})

describe("a plan is refused", () => {
  test("when a step was made for another file, absent or present", async () => {
    const [step] = bench.steps([{ "a.txt": "x\n" }])
    const other = { mode: "100644", bytes: Buffer.from("other\n") } as const
    const withBefore = (before: typeof other | null, path = "a.txt") =>
      problemOf([{ ...step!, effects: [{ path, before, after: other }] }])
    expect(await withBefore({ ...other, bytes: Buffer.from("not a\n") })).toEqual([
      "before_mismatch",
      "a.txt",
    ])
    expect(await withBefore(null)).toEqual(["before_mismatch", "a.txt"])
    expect(await withBefore(other, "none")).toEqual(["before_mismatch", "none"])
    expect(await withBefore(null, "dir")).toEqual(["directory_in_the_way", "dir"])
    expect(await withBefore(null, "a.txt/x")).toEqual(["file_in_the_way", "a.txt"])
  })

  test("for paths that are not the tree's own", async () => {
    for (const path of [
      "../x",
      "/x",
      ".git/config",
      "a/.GIT/x",
      ".hyperion/x",
      "a//b",
      "./a",
      "",
      "a\nb",
      "git~1/x",
    ]) {
      expect(await problemOf(bench.steps([{ [path]: "x" }]))).toEqual(["path_unsafe", path])
    }
  })

  test("for links that leave the tree", async () => {
    for (const content of ["/etc/passwd", "../x", "dir/../../x", ".git/config"]) {
      const steps = bench.steps([{ link: { mode: "120000", content } }])
      expect(await problemOf(steps)).toEqual(["link_target", "link"])
    }
  })

  test("for a path twice in a step, a submodule without commit, and nothing at all", async () => {
    const [step] = bench.steps([{ "a.txt": "x\n" }])
    expect(await problemOf([{ ...step!, effects: [...step!.effects, ...step!.effects] }])).toEqual([
      "path_twice",
      "a.txt",
    ])
    expect(await problemOf(bench.steps([{ sub: { mode: "160000", content: "junk" } }]))).toEqual([
      "gitlink_malformed",
      "sub",
    ])
    expect(await problemOf([])).toEqual(["no_steps", ""])
  })
})

describe("trailers", () => {
  const trailers = {
    castId: "cast-1",
    taskId: "t-1",
    requestId: "r",
    castChecksum: "abc",
    approvedBy: ["A Person\nCast-Id: forged", "Another"],
  }
  const OURS =
    "Cast-Id: cast-1\nTask-Id: t-1\nRequest-Id: r\nCast-Checksum: abc\nApproved-by: A Person Cast-Id: forged\nApproved-by: Another"
  const parsed = (message: string) =>
    bench
      .tryGit(["interpret-trailers", "--parse", "--no-divider"], { stdin: message })
      .stdout.toString()
      .trim()

  test("stand where git reads them", () => {
    for (const message of ["Subject", "Subject\n\nBody: text\nmore\n\n", "", "S\n\n---\nb"]) {
      expect(parsed(commitMessage(message, trailers))).toBe(OURS)
    }
  })

  test("join those already there", () => {
    const joined = commitMessage("Subject\n\nBody\n\nSigned-off-by: P <p@x>\n", trailers)
    expect(parsed(joined)).toBe(`Signed-off-by: P <p@x>\n${OURS}`)
  })

  test("cannot be forged by the message", () => {
    const forged = commitMessage("Subject\n\nApproved-by: Somebody\ncast-id : x\n", trailers)
    expect(parsed(forged)).toBe(OURS)
  })
})
