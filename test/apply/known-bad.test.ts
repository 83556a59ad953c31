import { afterEach, beforeEach, expect, test } from "bun:test"
import { appendFileSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import * as Effect from "effect/Effect"
import { ApplyService } from "../../src/apply/ApplyService.ts"
import type { FileOperations } from "../../src/apply/WorktreeFiles.ts"
import { type Bench, ignoreOwnFolder, makeBench } from "./bench.ts"

/**
 * What the suite is worth: ways of landing that are known to be wrong must be caught by the very checks that the real
 * one passes.
 */
type Variant = (live: FileOperations, act: () => void) => Partial<FileOperations>

const asBuilt: Variant = () => ({})

/** Truncates the target and writes it anew, as most editors and most tools do. */
const inPlace: Variant = (live, act) => ({
  exchange: (staged, target) => {
    const [next, old] = [live.read(staged), live.read(target)]
    writeFileSync(target, "")
    act()
    writeFileSync(target, next)
    writeFileSync(staged, old)
    return "done"
  },
})

/** Replaces the target without looking at what it replaces. */
const plainRename: Variant = (live, act) => ({
  exchange: (staged, target) => {
    const old = live.read(target)
    act()
    live.rename(staged, target)
    writeFileSync(staged, old)
    return "done"
  },
})

/** Leaves the index to whoever comes. */
const noIndexLock: Variant = (live) => {
  const isLock = (path: string) => path.endsWith("/index.lock")
  return {
    link: (from, to) => (isLock(to) ? undefined : live.link(from, to)),
    unlink: (path) => (isLock(path) && !live.stat(path) ? undefined : live.unlink(path)),
  }
}

const OLD = { "dir/a.txt": "a\n", "dir/gone.txt": "g\n", "z.txt": "z\n", "keep.txt": "k\n" }
const NEW: Readonly<Record<string, string>> = {
  "dir/a.txt": "a2\n",
  "dir/new.txt": "n\n",
  "z.txt": "z2\n",
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

const startOver = () => {
  for (const name of readdirSync(`${bench.root}/.git`))
    if (/lock$|hyperion/.test(name)) rmSync(`${bench.root}/.git/${name}`)
  rmSync(`${bench.root}/.hyperion`, { recursive: true, force: true })
  bench.git("update-ref", "refs/heads/main", base)
  bench.git("reset", "-q", "--hard", base)
  bench.git("clean", "-qfd")
  bench.journal.records.length = 0
}

/**
 * Lands once for each of its file operations. At the n-th, `act` happens, or the process dies there and is recovered.
 * Counts the times after which `isWrong`.
 */
const violations = async (variant: Variant, act: (() => void) | "die", isWrong: () => boolean) => {
  const state = { calls: 0, at: 0, dead: false }
  const point = () => {
    if (state.dead) throw new Dead()
    if (++state.calls !== state.at) return
    if (act !== "die") return act()
    state.dead = true
    throw new Dead()
  }
  const wrap = (live: FileOperations): FileOperations =>
    Object.fromEntries(
      Object.entries({ ...live, ...variant(live, point) }).map(([name, operation]) => [
        name,
        (...args: unknown[]) => {
          // Folders are closed, too, when a process dies.
          if (name !== "close") point()
          return (operation as (...all: unknown[]) => unknown)(...args)
        },
      ]),
    ) as unknown as FileOperations
  const steps = bench.steps(
    [{ "dir/a.txt": "a2\n", "dir/gone.txt": null, "dir/new.txt": "n\n", "z.txt": "z2\n" }],
    base,
  )
  let wrong = 0
  for (state.at = 1; ; state.at++) {
    startOver()
    Object.assign(state, { calls: 0, dead: false })
    await bench.apply(
      Effect.gen(function* () {
        const apply = yield* ApplyService
        const plan = yield* apply.prepare({ base, steps })
        const options = {
          landingId: "l",
          mode: "commit" as const,
          branch: "main",
          durable: false,
          stageDir: bench.stageDir,
        }
        return yield* Effect.exit(apply.land(plan, options))
      }),
      { files: wrap },
    )
    if (state.calls < state.at) return wrong
    const record = bench.journal.records.at(-1)
    if (state.dead && record) {
      await bench.apply(Effect.flatMap(ApplyService, (apply) => Effect.exit(apply.recover(record))))
    }
    if (isWrong()) wrong++
  }
}

const read = (path: string): string | null =>
  existsSync(`${bench.root}/${path}`) ? readFileSync(`${bench.root}/${path}`, "utf8") : null

const isHalf = (): boolean => {
  const paths = [...new Set([...Object.keys(OLD), ...Object.keys(NEW)])]
  const now = paths.map((path) => read(path))
  const is = (side: Readonly<Record<string, string>>) =>
    paths.every((path, at) => now[at] === (side[path] ?? null))
  return !(bench.git("rev-parse", "main") === base ? is(OLD) : is(NEW))
}

const editIsLost = (): boolean => {
  const stage = `${bench.root}/.hyperion/stage/landing-1`
  const kept = existsSync(stage)
    ? readdirSync(stage).map((name) => readFileSync(`${stage}/${name}`, "utf8"))
    : []
  return ![read("dir/a.txt") ?? "", ...kept].some((text) => text.endsWith("EDIT\n"))
}

/** Does a commit on top of the landing take it back? */
const isReverted = (): boolean => {
  const landing = bench.git("log", "--format=%H", "--grep=^change 1", "main")
  return (
    landing !== "" &&
    bench
      .git("diff", "--name-only", landing, "main")
      .split("\n")
      .some((path) => path !== "keep.txt" && path !== "")
  )
}

const personCommits = () => {
  appendFileSync(`${bench.root}/keep.txt`, "mine\n")
  bench.tryGit(["commit", "-qam", "person"])
}
const editorWrites = () => {
  if (existsSync(`${bench.root}/dir`)) appendFileSync(`${bench.root}/dir/a.txt`, "EDIT\n")
}

test("writing in place is caught by death at every point", async () => {
  expect(await violations(asBuilt, "die", isHalf)).toBe(0)
  expect(await violations(inPlace, "die", isHalf)).toBeGreaterThan(0)
}, 60_000)

test("a plain rename is caught by an editor at every point", async () => {
  expect(await violations(asBuilt, editorWrites, editIsLost)).toBe(0)
  expect(await violations(plainRename, editorWrites, editIsLost)).toBeGreaterThan(0)
}, 60_000)

test("landing without the index lock is caught by a person's commit -a at every point", async () => {
  expect(await violations(asBuilt, personCommits, isReverted)).toBe(0)
  expect(await violations(noIndexLock, personCommits, isReverted)).toBeGreaterThan(0)
}, 60_000)
