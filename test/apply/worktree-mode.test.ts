import { afterEach, beforeEach, expect, test } from "bun:test"
import { appendFileSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import * as Effect from "effect/Effect"
import { ApplyService } from "../../src/apply/ApplyService.ts"
import type { FileOperations } from "../../src/apply/WorktreeFiles.ts"
import { GitRepository } from "../../src/platform/git/GitRepository.ts"
import { writeWorktreeTree } from "../../src/platform/git/worktree-tree.ts"
import { type Bench, ignoreOwnFolder, makeBench, stepsOn, type Wanted } from "./bench.ts"

const OLD = { "dir/b.txt": "b, edited\n", "gone/g.txt": "g\n", "keep.txt": "k\n", "new by hand.txt": "h\n" }
const NEW = { "dir/b.txt": "b2\n", "add/x.txt": "x\n", "keep.txt": "k\n", "new by hand.txt": "h2\n" }
const CHANGE: Readonly<Record<string, Wanted>> = {
  "dir/b.txt": "b2\n",
  "gone/g.txt": null,
  "add/x.txt": "x\n",
  "new by hand.txt": "h2\n",
}

let bench: Bench
let head: string
beforeEach(() => {
  bench = makeBench()
  ignoreOwnFolder(bench)
  bench.write({ "dir/b.txt": "b\n", "gone/g.txt": "g\n", "keep.txt": "k\n" })
  head = bench.commit("base")
})
afterEach(() => bench.remove())

class Dead extends Error {}

const startOver = () => {
  for (const name of readdirSync(`${bench.root}/.git`))
    if (/lock$|hyperion/.test(name)) rmSync(`${bench.root}/.git/${name}`)
  rmSync(`${bench.root}/.hyperion`, { recursive: true, force: true })
  bench.git("reset", "-q", "--hard", head)
  bench.git("clean", "-qfd")
  bench.write(OLD)
  bench.journal.records.length = 0
}

const stateOf = (text: string) => ({ mode: "100644" as const, bytes: Buffer.from(text) })

/** Lands; before the n-th file operation `act` happens, or the process dies. */
const land = (at = 0, act: (() => void) | "die" = "die") => {
  const state = { calls: 0, dead: false }
  const wrap = (live: FileOperations): FileOperations =>
    Object.fromEntries(
      Object.entries(live).map(([name, operation]) => [
        name,
        (...args: unknown[]) => {
          if (name !== "close") {
            if (state.dead) throw new Dead()
            if (++state.calls === at) {
              if (act === "die") {
                state.dead = true
                throw new Dead()
              }
              act()
            }
          }
          return (operation as (...all: unknown[]) => unknown)(...args)
        },
      ]),
    ) as unknown as FileOperations
  const body = Effect.gen(function* () {
    const apply = yield* ApplyService
    const { layout, ownGitDir } = yield* GitRepository
    const held = yield* writeWorktreeTree({
      env: bench.env,
      layout: { ...layout, worktree: bench.root },
      ownGitDir,
    })
    const files = new Map(Object.entries(OLD).map(([path, text]) => [path, stateOf(text)]))
    const plan = yield* apply.prepare({ base: head, baseTree: held.tree, steps: stepsOn(files, [CHANGE]) })
    const options = {
      landingId: "l",
      mode: "worktree" as const,
      branch: "main",
      durable: false,
      stageDir: bench.stageDir,
    }
    const exit = yield* Effect.either(Effect.sandbox(apply.land(plan, options)))
    return { ...state, landed: exit._tag === "Right" }
  })
  return bench.apply(body, { files: wrap })
}

const recover = () =>
  bench.apply(Effect.flatMap(ApplyService, (apply) => apply.recover(bench.journal.records.at(-1)!)))

const contents = () =>
  Object.fromEntries(
    bench
      .git("ls-files", "-z", "--cached", "--others", "--exclude-standard")
      .split("\0")
      .filter((path) => path !== "" && existsSync(`${bench.root}/${path}`))
      .map((path) => [path, readFileSync(`${bench.root}/${path}`, "utf8")]),
  )

test("changes the files, uncommitted edits and all; branch and index stay", async () => {
  startOver()
  const index = readFileSync(`${bench.root}/.git/index`)
  expect((await land()).landed).toBe(true)
  expect(contents()).toEqual(NEW)
  expect(bench.git("rev-parse", "main")).toBe(head)
  expect(readFileSync(`${bench.root}/.git/index`).equals(index)).toBe(true)
  expect(bench.git("diff", "--cached", "--name-only")).toBe("")
  expect(existsSync(`${bench.root}/.git/index.lock`)).toBe(false)
})

test("death at every point: all or nothing after one recovery, twice the same", async () => {
  const sides = new Set<string>()
  for (let at = 1; ; at++) {
    startOver()
    const { dead } = await land(at)
    if (!dead) break
    if (bench.journal.records.length === 0) {
      expect(contents()).toEqual(OLD)
      continue
    }
    const { outcome, left } = await recover()
    expect({ at, left }).toEqual({ at, left: [] })
    expect({ at, files: contents() }).toEqual({ at, files: outcome === "finished" ? NEW : OLD })
    expect(await recover()).toEqual({ outcome, left: [], reason: "" })
    expect({ at, files: contents() }).toEqual({ at, files: outcome === "finished" ? NEW : OLD })
    sides.add(outcome)
  }
  expect(sides).toContain("finished")
}, 60_000)

for (const path of ["dir/b.txt", "gone/g.txt", "add/x.txt"]) {
  test(`an edit of ${path} after the death undoes all the rest, and stays`, async () => {
    let undone = 0
    for (let at = 1; ; at++) {
      startOver()
      const { dead } = await land(at)
      if (!dead) break
      if (bench.journal.records.length === 0) continue
      bench.write({
        [path]: `${existsSync(`${bench.root}/${path}`) ? readFileSync(`${bench.root}/${path}`, "utf8") : ""}MINE\n`,
      })
      const { outcome, left } = await recover()
      expect({ at, outcome, left }).toEqual({ at, outcome: "undone", left: [path] })
      const others = Object.fromEntries(Object.entries(contents()).filter(([name]) => name !== path))
      const old = Object.fromEntries(Object.entries(OLD).filter(([name]) => name !== path))
      expect({ at, others }).toEqual({ at, others: old })
      expect(readFileSync(`${bench.root}/${path}`, "utf8")).toEndWith("MINE\n")
      undone++
    }
    expect(undone).toBeGreaterThan(10)
  }, 60_000)
}

test("an editor at every point of a landing loses nothing", async () => {
  for (let at = 1; ; at++) {
    startOver()
    const { calls } = await land(at, () => {
      if (existsSync(`${bench.root}/dir`)) appendFileSync(`${bench.root}/dir/b.txt`, "MINE\n")
    })
    if (calls < at) break
    const stage = existsSync(bench.stageDir) ? readdirSync(bench.stageDir) : []
    const kept = stage.map((name) => readFileSync(`${bench.stageDir}/${name}`, "utf8"))
    const texts = [readFileSync(`${bench.root}/dir/b.txt`, "utf8"), ...kept]
    expect({ at, isKept: texts.some((text) => text.endsWith("MINE\n")) }).toEqual({ at, isKept: true })
  }
}, 60_000)

test("a file that is not what the plan was made for blocks it", async () => {
  startOver()
  const { landed } = await land(1, () => writeFileSync(`${bench.root}/keep.txt`, "other\n"))
  expect(landed).toBe(true)
  startOver()
  const { landed: blocked } = await land(1, () => writeFileSync(`${bench.root}/dir/b.txt`, "other\n"))
  expect(blocked).toBe(false)
  expect(contents()).toEqual({ ...OLD, "dir/b.txt": "other\n" })
})
