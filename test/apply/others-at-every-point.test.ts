import { afterEach, beforeEach, expect, test } from "bun:test"
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs"
import * as Effect from "effect/Effect"
import { ApplyService } from "../../src/apply/ApplyService.ts"
import type { FileOperations } from "../../src/apply/WorktreeFiles.ts"
import { type Bench, ignoreOwnFolder, makeBench } from "./bench.ts"

let bench: Bench
let base: string
beforeEach(() => {
  bench = makeBench()
  ignoreOwnFolder(bench)
  bench.write({ "dir/a.txt": "a\n", "dir/gone.txt": "g\n", "z.txt": "z\n" })
  base = bench.commit("base")
})
afterEach(() => bench.remove())

/** Lands the same change again and again; before the n-th file operation of the n-th time, `act` happens. */
const atEveryPoint = (act: () => void, check: (landed: boolean) => void) => {
  const state = { calls: 0, at: 0 }
  const wrap = (live: FileOperations): FileOperations =>
    Object.fromEntries(
      Object.entries(live).map(([name, operation]) => [
        name,
        (...args: unknown[]) => {
          if (++state.calls === state.at) act()
          return (operation as (...all: unknown[]) => unknown)(...args)
        },
      ]),
    ) as unknown as FileOperations
  const steps = bench.steps([
    { "dir/a.txt": "a2\n", "dir/gone.txt": null, "dir/new.txt": "n\n", "z.txt": "z2\n" },
  ])
  return bench.apply(
    Effect.gen(function* () {
      const apply = yield* ApplyService
      const plan = yield* apply.prepare({ base, steps })
      for (let at = 1; ; at++) {
        Object.assign(state, { calls: 0, at })
        const stageDir = `${bench.root}/.hyperion/stage/l${at}`
        const options = {
          landingId: `l${at}`,
          mode: "commit" as const,
          branch: "main",
          durable: false,
          stageDir,
        }
        const result = yield* Effect.either(apply.land(plan, options))
        if (state.calls < at) return at - 1
        check(result._tag === "Right")
        bench.git("update-ref", "refs/heads/main", base)
        bench.git("reset", "-q", "--hard", base)
        bench.git("clean", "-qfd")
      }
    }),
    { files: wrap },
  )
}

for (const path of ["dir/a.txt", "dir/gone.txt", "dir/new.txt"]) {
  test(`bytes somebody writes to ${path} at any point are never lost`, async () => {
    let isRefused = 0
    const points = await atEveryPoint(
      () => existsSync(`${bench.root}/dir`) && appendFileSync(`${bench.root}/${path}`, "EDIT\n"),
      (landed) => {
        expect(readFileSync(`${bench.root}/${path}`, "utf8")).toEndWith("EDIT\n")
        expect(existsSync(`${bench.root}/.git/index.lock`)).toBe(false)
        // Git sees the edit, whatever became of the landing.
        expect(bench.git("status", "--porcelain")).toEndWith(` ${path}`)
        if (landed) expect(bench.git("diff", "--cached", "--name-only")).toBe("")
        else isRefused++
      },
    )
    expect(points).toBeGreaterThan(50)
    expect(isRefused).toBeGreaterThan(10)
  }, 30_000)
}

test("a folder that becomes a link to the outside at any point is never written through", async () => {
  const outside = `${bench.folder}/outside`
  mkdirSync(outside)
  for (const name of ["a.txt", "gone.txt"]) writeFileSync(`${outside}/${name}`, `${name[0]}\n`)
  const points = await atEveryPoint(
    () => {
      rmSync(`${bench.folder}/moved`, { recursive: true, force: true })
      renameSync(`${bench.root}/dir`, `${bench.folder}/moved`)
      symlinkSync(outside, `${bench.root}/dir`)
    },
    () => {
      expect(readdirSync(outside).toSorted()).toEqual(["a.txt", "gone.txt"])
      expect(readFileSync(`${outside}/a.txt`, "utf8")).toBe("a\n")
      expect(readFileSync(`${outside}/gone.txt`, "utf8")).toBe("g\n")
      rmSync(`${bench.root}/dir`, { recursive: true })
      for (const name of readdirSync(`${bench.root}/.git`)) {
        if (/lock|hyperion/.test(name)) rmSync(`${bench.root}/.git/${name}`)
      }
    },
  )
  expect(points).toBeGreaterThan(50)
}, 30_000)
