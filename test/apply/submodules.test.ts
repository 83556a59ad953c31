import { afterEach, beforeEach, describe, expect, test } from "bun:test"
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import * as Effect from "effect/Effect"
import { ApplyService } from "../../src/apply/ApplyService.ts"
import type { LandingStep } from "../../src/apply/plan.ts"
import type { FileOperations } from "../../src/apply/WorktreeFiles.ts"
import { type Bench, ignoreOwnFolder, makeBench, type Wanted } from "./bench.ts"

let bench: Bench
const FIRST = "1".repeat(40)
const SECOND = "2".repeat(40)
const at = (oid: string): Wanted => ({ mode: "160000", content: `Subproject commit ${oid}\n` })

beforeEach(() => {
  bench = makeBench()
  ignoreOwnFolder(bench)
  bench.write({ "a.txt": "a\n", "file.txt": "f\n" })
  bench.commit("base")
})
afterEach(() => bench.remove())

/** The test's own view of a gitlink is its line; `ls-tree` gives only the id. */
const land = (change: Readonly<Record<string, Wanted>>, before: Readonly<Record<string, string>> = {}) => {
  const base = bench.git("rev-parse", "HEAD")
  const step = bench.steps([change], base)[0]!
  const effects = step.effects.map((effect) => {
    const oid = before[effect.path]
    const state = { mode: "160000" as const, bytes: Buffer.from(`Subproject commit ${oid}\n`) }
    return oid === undefined ? effect : { ...effect, before: state }
  })
  return bench.apply(
    Effect.gen(function* () {
      const apply = yield* ApplyService
      const plan = yield* apply.prepare({ base, steps: [{ ...step, effects }] })
      const options = {
        landingId: "l",
        mode: "commit" as const,
        branch: "main",
        durable: false,
        stageDir: bench.stageDir,
      }
      const result = yield* Effect.either(apply.land(plan, options))
      rmSync(bench.stageDir, { recursive: true, force: true })
      return result
    }),
  )
}

class Dead extends Error {}

/** Dies before the n-th file operation; null when there are fewer. */
const dieAt = (at: number, steps: readonly LandingStep[], base: string) => {
  const state = { calls: 0, dead: false }
  const files = (live: FileOperations): FileOperations =>
    Object.fromEntries(
      Object.entries(live).map(([name, operation]) => [
        name,
        (...args: unknown[]) => {
          if (name !== "close") {
            if (state.dead || ++state.calls === at) {
              state.dead = true
              throw new Dead()
            }
          }
          return (operation as (...all: unknown[]) => unknown)(...args)
        },
      ]),
    ) as unknown as FileOperations
  const body = Effect.gen(function* () {
    const apply = yield* ApplyService
    const plan = yield* apply.prepare({ base, steps })
    const options = { landingId: "l", branch: "main", durable: false, stageDir: bench.stageDir }
    yield* Effect.exit(apply.land(plan, { ...options, mode: "commit" }))
    return state.dead
  })
  return bench.apply(body, { files })
}

const landed = async (...args: Parameters<typeof land>) => {
  const result = await land(...args)
  if (result._tag === "Left") throw result.left
  expect(bench.git("status", "--porcelain")).toBe("")
  expect(bench.git("ls-files", "-s")).toBe(
    bench.git("ls-tree", "-r", "--format=%(objectmode) %(objectname) 0%x09%(path)", "HEAD"),
  )
}

describe("a submodule in a checked-out branch", () => {
  test("is added as an empty folder, moved on in the index alone, removed with its empty folder", async () => {
    await landed({ "lib/sub": at(FIRST) })
    expect(readdirSync(`${bench.root}/lib/sub`)).toEqual([])
    await landed({ "lib/sub": at(SECOND) }, { "lib/sub": FIRST })
    expect(bench.git("ls-files", "-s", "lib/sub")).toContain(SECOND)
    await landed({ "lib/sub": null }, { "lib/sub": SECOND })
    expect(existsSync(`${bench.root}/lib`)).toBe(false)
  })

  test("keeps its own checkout on an update and on a delete", async () => {
    await landed({ sub: at(FIRST) })
    writeFileSync(`${bench.root}/sub/mine.txt`, "mine\n")
    expect((await land({ sub: at(SECOND) }, { sub: FIRST }))._tag).toBe("Right")
    expect((await land({ sub: null }, { sub: SECOND }))._tag).toBe("Right")
    expect(readFileSync(`${bench.root}/sub/mine.txt`, "utf8")).toBe("mine\n")
    expect(bench.git("status", "--porcelain")).toBe("?? sub/")
  })

  test("takes a file's place and gives it back", async () => {
    await landed({ "file.txt": at(FIRST) })
    expect(readdirSync(`${bench.root}/file.txt`)).toEqual([])
    await landed({ "file.txt": "a file again\n" }, { "file.txt": FIRST })
    expect(readFileSync(`${bench.root}/file.txt`, "utf8")).toBe("a file again\n")
  })

  test("becomes a folder of files, and a folder of files becomes one", async () => {
    await landed({ sub: at(FIRST) })
    await landed({ sub: null, "sub/x.txt": "x\n" }, { sub: FIRST })
    expect(readFileSync(`${bench.root}/sub/x.txt`, "utf8")).toBe("x\n")
    await landed({ "sub/x.txt": null, sub: at(SECOND) })
    expect(readdirSync(`${bench.root}/sub`)).toEqual([])
  })

  test("does not overwrite what is in its way", async () => {
    mkdirSync(`${bench.root}/sub`)
    writeFileSync(`${bench.root}/sub/mine.txt`, "mine\n")
    const reason = "untracked_in_the_way"
    expect(await land({ sub: at(FIRST) })).toMatchObject({ left: { reason, paths: ["sub/mine.txt"] } })
    rmSync(`${bench.root}/sub`, { recursive: true })
    writeFileSync(`${bench.root}/sub`, "mine\n")
    expect(await land({ sub: at(FIRST) })).toMatchObject({ left: { reason, paths: ["sub"] } })
    rmSync(`${bench.root}/sub`)
    await landed({ sub: at(FIRST) })
    writeFileSync(`${bench.root}/sub/mine.txt`, "mine\n")
    expect(await land({ sub: "a file\n" }, { sub: FIRST })).toMatchObject({
      left: { reason, paths: ["sub"] },
    })
    expect(readFileSync(`${bench.root}/sub/mine.txt`, "utf8")).toBe("mine\n")
  })

  test("is all there or not at all after death at any point and a recovery", async () => {
    bench.write({ "dir/x.txt": "x\n" })
    const base = bench.commit("more")
    const change = {
      "lib/sub": at(FIRST),
      "file.txt": at(SECOND),
      "dir/x.txt": null,
      dir: at(FIRST),
      "a.txt": "a2\n",
    }
    const steps = bench.steps([change], base)
    const sides = new Set<boolean>()
    for (let point = 1; ; point++) {
      bench.git("update-ref", "refs/heads/main", base)
      bench.git("reset", "-q", "--hard", base)
      bench.git("clean", "-qffd")
      rmSync(`${bench.root}/.hyperion`, { recursive: true, force: true })
      for (const name of readdirSync(`${bench.root}/.git`))
        if (/lock$|hyperion/.test(name)) rmSync(`${bench.root}/.git/${name}`)
      bench.journal.records.length = 0
      if (!(await dieAt(point, steps, base))) break
      const record = bench.journal.records.at(-1)
      if (!record) continue
      const { left } = await bench.apply(Effect.flatMap(ApplyService, (apply) => apply.recover(record)))
      const isNew = bench.git("rev-parse", "main") !== base
      const isFolder = existsSync(`${bench.root}/file.txt/.`)
      const status = bench.git("status", "--porcelain")
      expect({ point, left, status, isFolder }).toEqual({ point, left: [], status: "", isFolder: isNew })
      sides.add(isNew)
    }
    expect(sides.size).toBe(2)
  }, 60_000)
})
