import { afterEach, beforeEach, describe, expect, test } from "bun:test"
import { existsSync, readdirSync, readFileSync, rmSync } from "node:fs"
import * as Effect from "effect/Effect"
import { ApplyService } from "../../src/apply/ApplyService.ts"
import type { LandingFailed } from "../../src/apply/errors.ts"
import type { LandingStep } from "../../src/apply/plan.ts"
import type { FileOperations } from "../../src/apply/WorktreeFiles.ts"
import { GitFailed, StoreFailed } from "../../src/platform/git/errors.ts"
import type { GitRepositoryShape } from "../../src/platform/git/GitRepository.ts"
import { type Bench, ignoreOwnFolder, makeBench } from "./bench.ts"

let bench: Bench
let base: string
let steps: readonly LandingStep[]
const OLD = { "a.txt": "a\n", "dir/b.txt": "b\n", "dir/sub/c.txt": "c\n", "gone.txt": "g\n" }
const CHANGE = {
  "a.txt": "a2\n",
  "dir/b.txt": "b2\n",
  "dir/sub/c.txt": null,
  "gone.txt": null,
  "gone.txt/now/a/folder": "f\n",
  "new/x.txt": "x\n",
  "new/link": { mode: "120000", content: "x.txt" },
} as const

beforeEach(() => {
  bench = makeBench()
  ignoreOwnFolder(bench)
  bench.write(OLD)
  base = bench.commit("base")
  steps = bench.steps([CHANGE])
})
afterEach(() => bench.remove())

/** Counts the calls; the chosen ones throw `code` instead of doing anything. */
const faulty = () => {
  const state = { calls: 0, fails: (_call: number) => false, code: "EIO", last: "" }
  const wrap = (live: FileOperations): FileOperations =>
    Object.fromEntries(
      Object.entries(live).map(([name, operation]) => [
        name,
        (...args: unknown[]) => {
          // A close that fails has closed all the same.
          if (name !== "close" && state.fails(++state.calls)) {
            state.last = `${name} ${args.map((arg) => (typeof arg === "string" ? arg : "")).join(" ")}`
            throw Object.assign(new Error(`injected at ${state.last}`), { code: state.code })
          }
          return (operation as (...all: unknown[]) => unknown)(...args)
        },
      ]),
    ) as unknown as FileOperations
  return { state, wrap }
}

const land = (id: string, durable: boolean) =>
  Effect.gen(function* () {
    const apply = yield* ApplyService
    const plan = yield* apply.prepare({ base, steps })
    const stageDir = `${bench.root}/.hyperion/stage/${id}`
    return yield* Effect.either(
      apply.land(plan, { landingId: id, mode: "commit" as const, branch: "main", durable, stageDir }),
    )
  })

const expectOld = (context: string) => {
  const files = Object.fromEntries(
    Object.keys(OLD).map((path) => [
      path,
      existsSync(`${bench.root}/${path}`) && readFileSync(`${bench.root}/${path}`, "utf8"),
    ]),
  )
  expect({ context, files }).toEqual({ context, files: OLD })
  expect({ context, head: bench.git("rev-parse", "main") }).toEqual({ context, head: base })
  const status = bench.git("status", "--porcelain", "--untracked-files=all")
  expect({ context, status }).toEqual({ context, status: "" })
  const strays = readdirSync(`${bench.root}/.git`).filter((name) => /lock|hyperion/.test(name))
  expect({ context, strays }).toEqual({ context, strays: [] })
}

const backToBase = () => {
  for (const name of readdirSync(`${bench.root}/.git`)) {
    if (/lock|hyperion/.test(name)) rmSync(`${bench.root}/.git/${name}`)
  }
  bench.git("update-ref", "refs/heads/main", base)
  bench.git("reset", "-q", "--hard", base)
  bench.git("clean", "-qfd")
}

describe("one error", () => {
  for (const durable of [false, true]) {
    test(`at any file operation leaves all as it was (durable: ${durable})`, async () => {
      const { state, wrap } = faulty()
      const visible: string[] = []
      let tried = 0
      await bench.apply(
        Effect.gen(function* () {
          for (let at = 1; ; at++) {
            Object.assign(state, { calls: 0, fails: (call: number) => call === at, last: "" })
            bench.journal.calls.length = 0
            const result = yield* land(`l${at}`, durable)
            if (state.last === "") {
              expect(result._tag).toBe("Right")
              break
            }
            tried++
            if (result._tag === "Right") {
              // Entering what is no folder fails anyway; a stray name in the git directory is tidied up later.
              expect(state.last).toMatch(/^openFolder .* gone.txt|^unlink .*hyperion-l\d+\.lock/)
              expect(bench.git("status", "--porcelain")).toBe("")
            } else if ((result.left as LandingFailed).outcome === "needs_recovery") {
              visible.push(state.last.split(" ")[0]!)
              expect(bench.git("diff-index", "--name-only", "HEAD")).toBe("")
            } else {
              expectOld(state.last)
              expect(["", "begin undone"]).toContain(bench.journal.calls.join(" "))
              continue
            }
            backToBase()
          }
        }),
        { files: wrap },
      )
      expect(tried).toBeGreaterThan(60)
      // Once the new index is in its place the landing is complete but for giving the lock back.
      expect(visible).toEqual(durable ? ["unlink", "stat", "flush"] : ["unlink"])
    }, 30_000)
  }

  const inGit: Readonly<Record<string, (live: GitRepositoryShape) => Partial<GitRepositoryShape>>> = {
    "writing objects": () => ({
      writeObjects: () => new StoreFailed({ operation: "write", path: "objects", code: "ENOSPC" }),
    }),
    "moving the ref": () => ({
      updateRef: () => new GitFailed({ command: "git update-ref", exitCode: 128, stderr: "no" }),
    }),
    "moving the ref, that moved all the same": (live) => ({
      updateRef: (update) =>
        update.newOid === base
          ? live.updateRef(update)
          : Effect.zipRight(
              live.updateRef(update),
              new GitFailed({ command: "x", exitCode: null, stderr: "killed" }),
            ),
    }),
    "flushing the moved ref": (live) => ({
      updateRef: (update) =>
        update.newOid === base
          ? live.updateRef(update)
          : Effect.zipRight(
              live.updateRef(update),
              new StoreFailed({ operation: "fsync", path: "r", code: "EIO" }),
            ),
    }),
    "reading attributes": () => ({
      checkAttributes: () => new GitFailed({ command: "git check-attr", exitCode: 1, stderr: "no" }),
    }),
    "a defect": () => ({ updateRef: () => Effect.die(new Error("bug")) }),
  }
  const said: Readonly<Record<string, string>> = {
    "writing objects": "ENOSPC",
    "moving the ref": "git update-ref failed (128): no",
    "a defect": "bug",
  }
  for (const [where, fault] of Object.entries(inGit)) {
    test(`at ${where} leaves all as it was`, async () => {
      const result = await bench.apply(land("l", true), { git: (live) => ({ ...live, ...fault(live) }) })
      expect(result).toMatchObject({ left: { _tag: "LandingFailed", outcome: "undone", left: [] } })
      expect(String(result._tag === "Left" && result.left.message)).toContain(
        said[where] ?? "landing failed at",
      )
      expectOld(where)
      expect(existsSync(`${bench.root}/.hyperion/stage/l`)).toBe(false)
      expect(["begin undone", ""]).toContain(bench.journal.calls.join(" "))
    })
  }
})

test("errors that do not stop never lose a byte, and leave the record open where they left a change", async () => {
  const { state, wrap } = faulty()
  let opened = 0
  await bench.apply(
    Effect.gen(function* () {
      for (let at = 1; ; at += 3) {
        Object.assign(state, { calls: 0, fails: (call: number) => call >= at, last: "", code: "ENOSPC" })
        const id = `l${at}`
        const result = yield* land(id, false)
        if (state.last === "") break
        expect(result._tag).toBe("Left")
        if (result._tag === "Right") break
        if ((result.left as LandingFailed).outcome === "undone") expectOld(`${at} ${state.last}`)
        else opened++
        const stage = `${bench.root}/.hyperion/stage/${id}`
        const kept = existsSync(stage) ? readdirSync(stage).map((name) => `${stage}/${name}`) : []
        const places = [...Object.keys(OLD).map((path) => `${bench.root}/${path}`), ...kept]
        const contents = places
          .filter((path) => existsSync(path) && !readdirOrNull(path))
          .map((path) => readFileSync(path, "utf8"))
        for (const old of Object.values(OLD)) expect(contents).toContain(old)
        backToBase()
      }
    }),
    { files: wrap },
  )
  expect(opened).toBeGreaterThan(10)
})

const readdirOrNull = (path: string): readonly string[] | null => {
  try {
    return readdirSync(path)
  } catch {
    return null
  }
}
