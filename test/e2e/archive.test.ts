import { describe, expect } from "bun:test"
import {
  appendFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs"
import { join } from "node:path"
import { makeRepository, requestOf, startHyperion } from "../support/workspace.ts"
import { binaryTest, type E2e, expectDecent, expectError, openE2e } from "./support.ts"

const TODAY = 30
const lines = (n: number): string => `${Array.from({ length: 8 }, (_, at) => `${n}.${at}`).join("\n")}\n`
const request = (n: number) => requestOf(`T-${n}`, { [`src/f${n}.txt`]: lines(n) })

const land = (shop: E2e, from: number, to: number): void => {
  const wanted = Array.from({ length: to - from + 1 }, (_, index) => request(from + index))
  expect(shop.enqueue(...wanted).code).toBe(0)
  expect(shop.run(["worker", "--drain"]).code).toBe(0)
}
const json = (shop: E2e, ...args: string[]) => {
  const ran = shop.run([...args, "--format", "json"])
  expectDecent(ran)
  return { code: ran.code, ...JSON.parse(ran.stdout) }
}

/** Thirty landings, of which the older twenty went into an archive. */
const archived = () => {
  const shop = openE2e({ queue: { batch: 10 } })
  const to = join(shop.outside, "archive")
  land(shop, 1, 20)
  const report = json(shop, "archive", to, "--before", "0s", "--yes")
  expect(report).toMatchObject({ code: 0, archived: true, entries: 20, vacuumed: true })
  land(shop, 21, TODAY)
  return { shop, to, report }
}

describe("a queue of which the older part was archived", () => {
  binaryTest(
    "verifies, reverts, explains and refuses to land anything twice",
    () => {
      const { shop, to, report } = archived()
      expect(report.bytes_after).toBeLessThan(report.bytes_before)
      expect(json(shop, "audit", "verify")).toMatchObject({ ok: true, archived: report.cut })
      expect(shop.run(["verify", "--all"]).stdout).toContain("10 landings verified, 0 not as recorded")
      // The same again: nothing lands; another answer to a landed task: refused.
      expect(shop.enqueue(request(3), request(25)).stdout).toContain("2 duplicate")
      const other = shop.enqueue(requestOf("T-3", { "src/other.txt": "other\n" }))
      expect([other.code, other.stdout + other.stderr]).toEqual([
        5,
        expect.stringContaining("task T-3 has already landed as entry 3"),
      ])
      // What stayed can be undone, what went says where it is.
      expect(shop.run(["revert", "25"]).code).toBe(0)
      expect(shop.run(["worker", "--drain"]).code).toBe(0)
      expect(shop.read("src/f25.txt")).toBeNull()
      for (const args of [
        ["receipt", "3"],
        ["verify", "3"],
        ["revert", "T-3"],
        ["history", "3"],
      ])
        expectError(
          shop.run(args),
          1,
          new RegExp(`in the archive ${to}/${report.file}; hint: hyperion replay --from`),
        )
      for (const args of [["show", "3"], ["why", "T-3"], ["blame", "src/f3.txt:2"], ["list"], ["status"]]) {
        const ran = shop.run(args)
        expectDecent(ran)
        expect([args[0], ran.code]).toEqual([args[0], 0])
      }
      expect(shop.run(["why", "3"]).stdout).toContain(`in the archive ${to}`)
      expect(shop.run(["history", "25"]).stdout).toMatch(/enqueued[\s\S]*applied/)
      expect(shop.run(["doctor"]).stdout).toContain(`the log up to row ${report.cut} is in ${to}`)
      shop.goodChange()
      shop.remove()
    },
    { timeoutMs: 60_000 },
  )

  binaryTest(
    "is rebuilt whole from archive and later shipments, and from its own log behind the checkpoint",
    () => {
      const { shop, to } = archived()
      expect(shop.run(["audit", "ship", to]).code).toBe(0)
      const { head } = json(shop, "audit", "verify")
      expect(json(shop, "audit", "verify", "--file", to, "--head", head)).toMatchObject({
        ok: true,
        archived: 0,
      })
      const tip = shop.git("rev-parse", "main^{tree}")
      const rebuilt = (name: string, ...from: string[]) =>
        json(shop, "replay", "--to", join(shop.outside, name), ...from)
      expect(rebuilt("whole", "--from", to)).toMatchObject({ landings: TODAY, tip_tree: tip })
      expect(rebuilt("live")).toMatchObject({
        landings: 10,
        entries: TODAY,
        from_git: 0,
        tip_tree: tip,
      })
      // A folder that begins behind the checkpoint stands on the tree that was stored with it, without any repository.
      const fresh = join(shop.outside, "fresh")
      expect(shop.run(["audit", "ship", fresh]).code).toBe(0)
      const lonely = ["replay", "--from", fresh, "--to", join(shop.outside, "lonely"), "--format", "json"]
      const alone = shop.run(lonely, { cwd: shop.outside })
      expect(JSON.parse(alone.stdout)).toMatchObject({ landings: 10, from_git: 0, tip_tree: tip })
      // What was rebuilt can be shipped again, whole.
      const second = join(shop.outside, "second")
      expect(shop.run(["audit", "ship", second], { cwd: join(shop.outside, "whole") }).code).toBe(0)
      expect(json(shop, "audit", "verify", "--file", second)).toMatchObject({ ok: true, archived: 0 })
      // In what was rebuilt whole, an archived landing is as good as new.
      const again = { ...shop, root: join(shop.outside, "whole") }
      expect(shop.run(["verify", "3"], { cwd: again.root }).code).toBe(0)
      expect(shop.run(["receipt", "3"], { cwd: again.root }).code).toBe(0)
      shop.remove()
    },
    { timeoutMs: 60_000 },
  )

  binaryTest(
    "says when its archive was changed, cut or lost",
    () => {
      const { shop, to, report } = archived()
      const segment = join(to, readdirSync(to).find((name) => name.startsWith("segment-"))!)
      const file = join(to, report.file)
      const [whole, own] = [readFileSync(segment), readFileSync(file)]
      const said = (...args: string[]) => shop.run(["doctor", ...args]).stdout
      truncateSync(segment, whole.length - 100)
      expect(said("--full")).toContain(`${segment} was changed after it was written`)
      expect(json(shop, "audit", "verify", "--file", to).ok).toBe(false)
      writeFileSync(segment, whole)
      appendFileSync(file, "\n")
      expect(said()).toContain(`${file} was changed after it was written`)
      writeFileSync(file, own)
      expect(said("--full")).toContain("read to the end")
      rmSync(segment)
      expect(said()).toContain(`${segment} is not there`)
      rmSync(to, { recursive: true })
      expect(said()).toContain(`${file} is not there`)
      // The queue itself goes on.
      shop.goodChange()
      shop.remove()
    },
    { timeoutMs: 60_000 },
  )
})

describe("archives made while a worker lands", () => {
  binaryTest(
    "take nothing that a landing needs, and stop none",
    async () => {
      const shop = openE2e({ queue: { batch: 2 } })
      const to = join(shop.outside, "archive")
      land(shop, 1, 5)
      // Contents come again and again: what one archive takes out, the next landing may speak of.
      const again = (n: number) => ({
        ...requestOf(`A-${n}`, { [`again/${n}.txt`]: lines(n % 5) }),
        depends_on: n % 3 === 0 && n > 3 ? [`A-${n - 3}`] : [],
      })
      expect(shop.enqueue(...Array.from({ length: 120 }, (_, n) => again(n))).code).toBe(0)
      const worker = startHyperion(shop, ["worker", "--drain"])
      let isDone = false
      const ended = worker.ended.then((ran) => {
        isDone = true
        return ran
      })
      let archives = 0
      while (!isDone) {
        const ran = await startHyperion(shop, ["archive", to, "--before", "0s", "--yes", "--format", "json"])
          .ended
        // An entry may have changed in the meantime: try again.
        expect([0, 75]).toContain(ran.code!)
        if (ran.code === 0 && JSON.parse(ran.stdout).archived) archives++
      }
      expect(await ended).toMatchObject({ code: 0 })
      expect(archives).toBeGreaterThan(0)
      expect(shop.run(["audit", "verify"]).code).toBe(0)
      expect(shop.run(["verify", "--all"]).code).toBe(0)
      expect(shop.run(["audit", "ship", to]).code).toBe(0)
      expect(json(shop, "replay", "--from", to, "--to", join(shop.outside, "again"))).toMatchObject({
        landings: 125,
        tip_tree: shop.git("rev-parse", "main^{tree}"),
      })
      shop.goodChange()
      shop.remove()
    },
    { timeoutMs: 120_000 },
  )
})

/** Why a small disk cannot be had here; null when it can. */
const smallDisk = (): string | null => {
  const probe = makeRepository({})
  const mounted = Bun.spawnSync(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", probe.root]).exitCode === 0
  if (mounted) Bun.spawnSync(["umount", probe.root])
  probe.remove()
  return mounted ? null : "tmpfs cannot be mounted here"
}

describe("an archive on a disk that is full", () => {
  binaryTest(
    "takes nothing out, says so, and is made when there is space",
    () => {
      const shop = openE2e({ queue: { batch: 10 } })
      land(shop, 1, 10)
      const to = join(shop.outside, "small")
      mkdirSync(to)
      Bun.spawnSync(["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", to])
      try {
        expectError(shop.run(["archive", to, "--before", "0s", "--yes"]), 75, /nothing was lost/)
        expect(readdirSync(to)).toEqual([])
        expect(shop.run(["verify", "--all"]).stdout).toContain("10 landings verified, 0 not as recorded")
        Bun.spawnSync(["mount", "-o", "remount,size=4m", to])
        expect(json(shop, "archive", to, "--before", "0s", "--yes")).toMatchObject({
          archived: true,
          entries: 10,
        })
        expect(shop.run(["audit", "verify"]).code).toBe(0)
      } finally {
        Bun.spawnSync(["umount", to])
        shop.remove()
      }
    },
    {
      unless: process.getuid?.() === 0 ? smallDisk() : "only root can mount a small disk",
      timeoutMs: 60_000,
    },
  )
})
