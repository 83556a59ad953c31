import { afterEach, expect } from "bun:test"
import { createHash } from "node:crypto"
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  writeFileSync,
} from "node:fs"
import { join } from "node:path"
import type { PolicyInput } from "../../src/domain/policy.ts"
import { hostileLine, randomFrom } from "./hostile.ts"
import { binaryTest, type E2e, expectDecent, openE2e } from "./support.ts"

/** `HYPERION_FUZZ=20000 HYPERION_FUZZ_SEED=7` for a longer run, or to see one again. */
const COUNT = Number(process.env["HYPERION_FUZZ"] ?? 2_000)
const SEED = Number(process.env["HYPERION_FUZZ_SEED"] ?? Math.floor(performance.timeOrigin) % 2 ** 31)

let shop: E2e | undefined
afterEach(() => {
  shop?.remove()
  shop = undefined
})

/** Every file below a folder with its kind, mode and content. */
const snapshot = (folder: string, skip: (path: string) => boolean = () => false): Map<string, string> => {
  const found = new Map<string, string>()
  const walk = (path: string) => {
    for (const name of readdirSync(join(folder, path)).toSorted()) {
      const at = path === "" ? name : `${path}/${name}`
      if (skip(at)) continue
      const full = join(folder, at)
      const stat = lstatSync(full)
      if (stat.isDirectory()) {
        found.set(at, `folder ${stat.mode}`)
        walk(at)
      } else if (stat.isSymbolicLink()) found.set(at, `link ${readlinkSync(full)}`)
      else found.set(at, `${stat.mode} ${createHash("sha256").update(readFileSync(full)).digest("hex")}`)
    }
  }
  walk("")
  return found
}

/** Git's own files that a landing writes: objects, the index, the branch, its log. */
const landings = (path: string) =>
  /^(?:objects(?:\/|$)|index$|logs(?:\/|$)|refs\/heads(?:\/|$)|packed-refs$|COMMIT_EDITMSG$)/.test(path)
const OURS =
  /^(?:hyperion\.db(?:-wal|-shm|\.workers|\.turnstile)?|policy\.schema\.json|landing\.lock|stage|drafts|logs|logs\/[0-9a-f]{64}\.log|rescued)$/

for (const paths of ["portable", "posix"] as const satisfies readonly PolicyInput["paths"][])
  binaryTest(
    `${COUNT} hostile change requests (paths ${paths}, seed ${SEED}): nothing outside, no crash, a code for every refusal`,
    () => {
      shop = openE2e(
        { paths, sensitive_paths: {} },
        { "a.txt": "a\n", "b.txt": "b\n", "dir/f.txt": "f\n", "dir/g.txt": "g\n" },
      )
      const { root, outside } = shop
      mkdirSync(join(outside, "target"))
      writeFileSync(join(outside, "target/canary"), "alive\n")
      writeFileSync(join(outside, "canary"), "alive\n")
      for (const [name, target] of [
        ["out", "../target"],
        ["up", ".."],
        ["git", ".git"],
        ["absolute", join(outside, "target")],
        ["inside", "dir"],
      ] as const)
        symlinkSync(target, join(root, name))
      shop.git("add", "out", "up", "git", "absolute", "inside")
      shop.commit("links")
      symlinkSync("../target", join(root, "loose"))
      writeFileSync(join(root, ".git/info/exclude"), "/hyperion.json\n/loose\n/.hyperion/\n/execution/\n")
      chmodSync(join(root, ".git/hooks"), 0o755)

      const random = randomFrom(SEED)
      const lines = Array.from({ length: COUNT }, (_, serial) => hostileLine(random, serial))
      const file = shop.file(lines.join("\n"), "hostile.jsonl")
      const around = () => snapshot(outside, (path) => /^(?:repo|cache|documents\.jsonl)$/.test(path))
      const inGit = () => snapshot(join(root, ".git"), landings)
      const before = { around: around(), git: inGit() }

      const queued = shop.run(["enqueue", file, "--format", "jsonl"])
      expectDecent(queued)
      expect([queued.code, queued.stderr]).toEqual([5, ""])
      const results = queued.stdout
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line))
      for (const { outcome, violations, where } of results) {
        if (outcome !== "rejected") continue
        expect([where, violations.length > 0]).toEqual([where, true])
        for (const { code, message, hint } of violations)
          expect([code, message, hint]).toEqual([
            expect.stringMatching(/^[a-z_]+$/),
            expect.stringMatching(/./),
            expect.stringMatching(/./),
          ])
      }
      const worked = shop.run(["worker", "--drain", "--format", "json"])
      expectDecent(worked)
      expect([worked.code, worked.stderr]).toEqual([0, ""])
      const { entries } = JSON.parse(worked.stdout)
      for (const { outcome, code, message } of entries)
        expect([outcome, outcome === "landed" ? null : code, message]).toEqual([
          outcome,
          outcome === "landed" ? null : expect.stringMatching(/^[a-z_]+$/),
          expect.stringMatching(/./),
        ])

      expect(around()).toEqual(before.around)
      expect(inGit()).toEqual(before.git)
      for (const path of snapshot(join(root, ".hyperion")).keys()) expect(path).toMatch(OURS)
      expect(shop.git("status", "--porcelain")).toBe("")
      // Some got through: the attack was not only noise.
      expect(
        entries.filter(({ outcome }: { outcome: string }) => outcome === "landed").length,
      ).toBeGreaterThan(COUNT / 300)
      for (const args of [
        ["list", "--limit", "1000"],
        ["history", "--limit", "1000"],
        ["list-dead-letters", "--limit", "1000"],
      ]) {
        const ran = shop.run(args)
        expectDecent(ran)
        expect(ran.stdout).not.toMatch(/^landed {3}entry/m)
      }
      shop.goodChange()
    },
    { timeoutMs: 60_000 + COUNT * 20 },
  )
