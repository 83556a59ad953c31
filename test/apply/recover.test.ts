import { afterEach, beforeEach, describe, expect, test } from "bun:test"
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  unlinkSync,
  writeFileSync,
} from "node:fs"
import * as Effect from "effect/Effect"
import { ApplyService } from "../../src/apply/ApplyService.ts"
import type { FileOperations } from "../../src/apply/WorktreeFiles.ts"
import type { GitRepositoryShape } from "../../src/platform/git/GitRepository.ts"
import { type Bench, ignoreOwnFolder, makeBench, type Wanted } from "./bench.ts"

const OLD = {
  "dir/b.txt": "b\n",
  swap: "s\n",
  "folder/in.txt": "i\n",
  "gone/deep/g.txt": "g\n",
  "run.sh": "r\n",
  "keep.txt": "k\n",
}
const CHANGE: Readonly<Record<string, Wanted>> = {
  "dir/b.txt": "b2\n",
  "gone/deep/g.txt": null,
  "new/deep/x.txt": "x\n",
  swap: null,
  "swap/now/a/folder.txt": "sf\n",
  "folder/in.txt": null,
  folder: "a file now\n",
  "run.sh": { mode: "100755", content: "r\n" },
}
const NEW = {
  "swap/now/a/folder.txt": "sf\n",
  folder: "a file now\n",
  "dir/b.txt": "b2\n",
  "new/deep/x.txt": "x\n",
  "run.sh": "r\n",
  "keep.txt": "k\n",
}

let bench: Bench
let base: string
beforeEach(() => {
  bench = makeBench()
  ignoreOwnFolder(bench)
  bench.write(OLD)
  base = bench.commit("base")
})
afterEach(() => bench.remove())

class Dead extends Error {}

const CHANGING = new Set<string>([
  "create",
  "createLink",
  "link",
  "rename",
  "exchange",
  "unlink",
  "makeFolder",
  "removeFolder",
  "removeAll",
  "flush",
])

/** A process that does nothing any more, neither forward nor back, from its n-th change on. */
const mortal = (livesFor: number) => {
  const state = { left: livesFor, died: "" }
  const spend = (name: string) => {
    if (state.left-- > 0) return
    state.died ||= name
    throw new Dead()
  }
  const files = (live: FileOperations): FileOperations =>
    Object.fromEntries(
      Object.entries(live).map(([name, operation]) => [
        name,
        (...args: unknown[]) => {
          if (CHANGING.has(name)) spend(`${name} ${String(args[0])}`)
          return (operation as (...all: unknown[]) => unknown)(...args)
        },
      ]),
    ) as unknown as FileOperations
  const git = (live: GitRepositoryShape): GitRepositoryShape => ({
    ...live,
    updateRef: (update) =>
      Effect.zipRight(
        Effect.sync(() => spend("updateRef")),
        live.updateRef(update),
      ),
  })
  return { state, doubles: { files, git } }
}

const land = (livesFor: number, change = CHANGE) => {
  const { state, doubles } = mortal(livesFor)
  const body = Effect.gen(function* () {
    const apply = yield* ApplyService
    const plan = yield* apply.prepare({ base, steps: bench.steps([change], base) })
    const options = {
      landingId: "l-1",
      mode: "commit" as const,
      branch: "main",
      durable: false,
      stageDir: bench.stageDir,
    }
    return yield* Effect.exit(apply.land(plan, options))
  })
  return Effect.runPromise(
    Effect.map(
      Effect.promise(() => bench.apply(body, doubles)),
      () => state,
    ),
  )
}

const recover = (livesFor = Number.POSITIVE_INFINITY) =>
  bench.apply(
    Effect.flatMap(ApplyService, (apply) => Effect.exit(apply.recover(bench.journal.records.at(-1)!))),
    mortal(livesFor).doubles,
  )

const recovered = async () => {
  const exit = await recover()
  if (exit._tag === "Failure") throw new Error(String(exit.cause))
  return exit.value
}

const contents = (): Record<string, string> =>
  Object.fromEntries(
    bench
      .git("ls-files", "--cached", "--others", "--exclude-standard")
      .split("\n")
      .filter((path) => existsSync(`${bench.root}/${path}`))
      .map((path) => [path, readFileSync(`${bench.root}/${path}`, "utf8")]),
  )

const strays = () => readdirSync(`${bench.root}/.git`).filter((name) => /lock$|hyperion/.test(name))

const expectWhole = (context: unknown) => {
  const isNew = bench.git("rev-parse", "main") !== base
  expect({ context, files: contents() }).toEqual({ context, files: isNew ? NEW : OLD })
  expect({ context, status: bench.git("status", "--porcelain") }).toEqual({ context, status: "" })
  expect({ context, strays: strays() }).toEqual({ context, strays: [] })
  return isNew
}

const startOver = () => {
  for (const name of strays()) rmSync(`${bench.root}/.git/${name}`)
  rmSync(`${bench.root}/.hyperion`, { recursive: true, force: true })
  bench.git("update-ref", "refs/heads/main", base)
  bench.git("reset", "-q", "--hard", base)
  bench.git("clean", "-qfd")
  bench.journal.records.length = 0
}

/** How many changes a whole landing makes. */
const steps = async (): Promise<number> => {
  const state = await land(1_000)
  startOver()
  return 1_000 - state.left
}

/** Dies after so many changes; false when that was before the journal knew of it. */
const dieAt = async (at: number): Promise<boolean> => {
  startOver()
  await land(at)
  return bench.journal.records.length > 0
}

test("death after every change: all or nothing after one recovery, and nothing more to do after it", async () => {
  const sides = new Set<boolean>()
  for (let at = (await steps()) - 1; at >= 0; at--) {
    if (!(await dieAt(at))) continue
    const { outcome, left } = await recovered()
    expect(left).toEqual([])
    const isNew = expectWhole(at)
    expect(outcome).toBe(isNew ? "finished" : "undone")
    sides.add(isNew)
    expect(await recovered()).toEqual({ outcome, left: [], reason: "" })
    expectWhole(`${at} again`)
  }
  expect(sides.size).toBe(2)
}, 30_000)

test("death after every change of every recovery: the next one ends it", async () => {
  let deaths = 0
  for (let at = (await steps()) - 1; at >= 0; at -= 3) {
    if (!(await dieAt(at))) continue
    for (let second = 0; ; second++) {
      await dieAt(at)
      const exit = await recover(second)
      if (exit._tag === "Success") break
      deaths++
      await recovered()
      expectWhole({ at, second })
    }
  }
  expect(deaths).toBeGreaterThan(30)
}, 60_000)

describe("somebody else", () => {
  for (const path of ["dir/b.txt", "gone/deep/g.txt", "new/deep/x.txt", "run.sh"]) {
    test(`who wrote to ${path} after the death keeps every byte`, async () => {
      let kept = 0
      let isSaid = 0
      for (let at = (await steps()) - 1; at >= 0; at--) {
        if (!(await dieAt(at))) continue
        const file = `${bench.root}/${path}`
        if (!existsSync(file)) {
          mkdirSync(file.slice(0, file.lastIndexOf("/")), { recursive: true })
        }
        appendFileSync(file, "MINE\n")
        const { left } = await recovered()
        // A landing that was complete is none of theirs.
        if (left.length > 0) isSaid++
        expect({ at, left }).toEqual({ at, left: left.length > 0 ? [path] : [] })
        expect(readFileSync(file, "utf8")).toEndWith("MINE\n")
        expect(strays()).toEqual([])
        const lines = bench.git("status", "--porcelain").split("\n")
        expect({ at, lines: lines.length }).toEqual({ at, lines: 1 })
        kept++
      }
      expect(kept).toBeGreaterThan(10)
      expect(isSaid).toBeGreaterThan(kept / 2)
    }, 30_000)
  }

  test("whose lock is in the way is waited for", async () => {
    const last = await steps()
    for (let at = last - 1; !(await dieAt(at)) || !existsSync(`${bench.root}/.git/index.lock`); ) at--
    writeFileSync(`${bench.root}/.git/index.lock`, "")
    expect(await recovered()).toMatchObject({ outcome: "blocked" })
    expect(readFileSync(`${bench.root}/.git/index.lock`, "utf8")).toBe("")
    unlinkSync(`${bench.root}/.git/index.lock`)
    expect(await recovered()).toMatchObject({ outcome: "finished", left: [] })
    expectWhole("unlocked")
  })

  test("who removed our lock by hand gets their files finished all the same", async () => {
    const last = await steps()
    for (let at = last - 1; at > 0; at--) {
      if (!(await dieAt(at)) || bench.git("rev-parse", "main") === base) continue
      rmSync(`${bench.root}/.git/index.lock`, { force: true })
      expect(await recovered()).toMatchObject({ outcome: "finished", left: [] })
      expectWhole(at)
    }
  }, 30_000)

  test("who went on from a landing that was complete loses nothing", async () => {
    const last = await steps()
    await dieAt(last - 1)
    rmSync(`${bench.root}/.git/index.lock`, { force: true })
    bench.write({ "dir/b.txt": "b\n" })
    bench.git("commit", "-qam", "back again")
    expect(await recovered()).toMatchObject({ outcome: "finished", left: [] })
    expect(readFileSync(`${bench.root}/dir/b.txt`, "utf8")).toBe("b\n")
    expect(bench.git("status", "--porcelain")).toBe("")
  })
})

test("a stage that is gone is made again from the repository's objects", async () => {
  const last = await steps()
  for (let at = last - 1; at > 0; at--) {
    if (!(await dieAt(at)) || bench.git("rev-parse", "main") === base) continue
    rmSync(bench.stageDir, { recursive: true, force: true })
    expect(await recovered()).toMatchObject({ outcome: "finished", left: [] })
    expectWhole(at)
  }
}, 30_000)
