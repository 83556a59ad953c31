import { afterEach, beforeEach, expect, test } from "bun:test"
import { realpathSync } from "node:fs"
import { dirname } from "node:path"
import * as Effect from "effect/Effect"
import { ApplyService } from "../../src/apply/ApplyService.ts"
import type { FileOperations } from "../../src/apply/WorktreeFiles.ts"
import { type Bench, ignoreOwnFolder, makeBench } from "./bench.ts"

let bench: Bench
beforeEach(() => {
  bench = makeBench()
  ignoreOwnFolder(bench)
  bench.write({ "dir/a.txt": "a\n", "gone/g.txt": "g\n", "z.txt": "z\n" })
  bench.commit("base")
})
afterEach(() => bench.remove())

/** A disk that forgets whatever was not flushed: content and names each on their own. */
const forgetful = () => {
  const unwritten = new Set<string>()
  const unnamed = new Set<string>()
  const lost: string[] = []
  let told = 0
  /** Folders are entered through descriptors: their names are compared by where they lead. */
  const real = (path: string): string => {
    const match = /^(\/proc\/self\/fd\/\d+)(.*)$/.exec(path)
    return match ? `${realpathSync(match[1]!)}${match[2]}` : path
  }
  const named = (path: string) => void unnamed.add(dirname(real(path)))
  /** Everything that a promise made at this moment relies on. */
  const promise = (what: string) => {
    for (const path of unwritten) lost.push(`${what}: content of ${path}`)
    // A mark without a name is made again: recovery asks for its content only where it finds one.
    unnamed.delete(what === "begin" ? `${bench.root}/.git` : "")
    for (const path of unnamed) lost.push(`${what}: names in ${path}`)
    unwritten.clear()
    unnamed.clear()
  }
  const hear = () => {
    for (const call of bench.journal.calls.slice(told)) promise(call)
    told = bench.journal.calls.length
  }
  const wrap = (live: FileOperations): FileOperations => ({
    ...live,
    create: (path, bytes, mode) => {
      hear()
      live.create(path, bytes, mode)
      unwritten.add(real(path))
      named(path)
    },
    link: (from, to) => {
      hear()
      live.link(from, to)
      named(to)
    },
    rename: (from, to) => {
      hear()
      if (unwritten.has(real(from)) && to.endsWith("/index")) lost.push(`content of ${to}`)
      const inside = [...unwritten].filter((path) => path.startsWith(`${real(from)}/`))
      live.rename(from, to)
      for (const path of inside) {
        unwritten.delete(path)
        unwritten.add(`${real(to)}${path.slice(real(from).length)}`)
      }
      if (unnamed.delete(real(from))) unnamed.add(real(to))
      named(from)
      named(to)
    },
    exchange: (left, right) => {
      hear()
      named(left)
      named(right)
      return live.exchange(left, right)
    },
    unlink: (path) => {
      hear()
      live.unlink(path)
      unwritten.delete(real(path))
      named(path)
    },
    makeFolder: (path, mode) => {
      hear()
      live.makeFolder(path, mode)
      named(path)
    },
    removeFolder: (path) => {
      hear()
      unnamed.delete(real(path))
      live.removeFolder(path)
      named(path)
    },
    flush: async (paths) => {
      hear()
      await live.flush(paths)
      for (const path of paths) {
        unwritten.delete(path)
        unnamed.delete(path)
      }
    },
  })
  return { wrap, lost, hear }
}

const land = async (files: (live: FileOperations) => FileOperations, durable: boolean) => {
  const steps = bench.steps([
    { "dir/a.txt": "a2\n", "gone/g.txt": null, "new/deep/x.txt": "x\n", "z.txt": "z2\n" },
  ])
  await bench.apply(
    Effect.gen(function* () {
      const apply = yield* ApplyService
      const plan = yield* apply.prepare({ base: bench.git("rev-parse", "HEAD"), steps })
      yield* apply.land(plan, {
        landingId: "l",
        mode: "commit" as const,
        branch: "main",
        durable,
        stageDir: bench.stageDir,
      })
    }),
    { files },
  )
}

test("nothing that the journal's rows rely on is only in the cache", async () => {
  const { wrap, lost, hear } = forgetful()
  await land(wrap, true)
  hear()
  expect(lost).toEqual([])
})

test("landing without fsync is caught by the same disk", async () => {
  const { wrap, lost, hear } = forgetful()
  await land(wrap, false)
  hear()
  expect(lost.length).toBeGreaterThan(3)
})
