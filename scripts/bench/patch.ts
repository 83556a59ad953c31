/**
 * `[NAME=]GITDIR…`: the patch engine alone. For each repository the first-parent history (first `--first N`, 400) is
 * applied in memory, commit by commit, beside one `git apply --cached` process for the same patch in the same run; then
 * rebases of close edits and of files full of equal blocks; then large inputs. JSON on stdout; ratios count. Exit 1
 * when a result is wrong.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { basename, join, resolve } from "node:path"
import { parseArgs } from "node:util"
import * as Effect from "effect/Effect"
import type { FileState } from "../../src/domain/files.ts"
import { type Proposal, propose } from "../../src/intake/propose.ts"
import { applyPatch } from "../../src/patch/apply.ts"
import { parsePatch } from "../../src/patch/parse.ts"
import { rebaseChange } from "../../src/patch/rebase.ts"
import { computeEffects } from "../../src/worker/effects.ts"

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { first: { type: "string", default: "400" } },
})
const first = Number(values.first)
const env = { PATH: process.env["PATH"], HOME: process.env["HOME"] }
const round = (value: number, digits = 2): number => Number(value.toFixed(digits))
const quantile = (sorted: readonly number[], q: number): number =>
  sorted[Math.floor((sorted.length - 1) * q)] ?? 0
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
let wrong = 0

/** Everything that can go wrong with the measured thing is counted, not thrown: the report says how much. */
const check = (holds: boolean): number => {
  if (!holds) wrong++
  return holds ? 1 : 0
}

const history = async (gitDir: string): Promise<readonly Proposal[]> => {
  const proposals: Proposal[] = []
  const input = { gitDir, env, range: { kind: "ref" as const, ref: "HEAD", landing: null } }
  await Effect.runPromise(
    propose(input, (proposal) => {
      proposals.push(proposal)
      return proposals.length < first ? Effect.void : Effect.fail("enough" as const)
    }).pipe(Effect.catchAll((error) => (error === "enough" ? Effect.void : Effect.die(error)))),
  )
  return proposals
}

const rawPatch = (proposal: Proposal): Buffer =>
  Buffer.concat(
    proposal.change_request.changes.map(({ patch = "", patch_encoding }) =>
      Buffer.from(patch, patch_encoding === "base64" ? "base64" : "utf8"),
    ),
  )

const repository = async (argument: string) => {
  const [, name, path] = /^(?:([\w.-]+)=)?(.+)$/s.exec(argument)!
  const proposals = await history(resolve(path!))
  const folder = mkdtempSync(join(tmpdir(), "hyperion-bench-patch-"))
  const git = (...args: string[]) =>
    Bun.spawnSync(["git", "-C", folder, ...args], {
      env: { ...process.env, GIT_INDEX_FILE: join(folder, "index") },
    })
  git("init", "-q")
  const files = new Map<string, FileState>()
  const ratios: number[] = []
  const spent = { ours: 0, git: 0 }
  for (const proposal of proposals) {
    const start = performance.now()
    const computed = computeEffects(proposal.change_request, {
      current: (file) => files.get(file) ?? null,
      stored: () => undefined,
      paths: "posix",
    })
    const ours = performance.now() - start
    if (!check(computed.ok) || !computed.ok) continue
    for (const { path: file, after } of computed.value.effects)
      if (after === null) files.delete(file)
      else files.set(file, after)
    writeFileSync(join(folder, "patch"), rawPatch(proposal))
    const from = performance.now()
    const applied = git("apply", "--cached", "--whitespace=nowarn", "patch")
    const theirs = performance.now() - from
    if (applied.exitCode !== 0) continue
    ratios.push(theirs / ours)
    spent.ours += ours
    spent.git += theirs
  }
  rmSync(folder, { recursive: true })
  const sorted = [...ratios].sort((a, b) => a - b)
  return {
    repository: name ?? basename(path!),
    commits: ratios.length,
    ms_per_commit: {
      hyperion: round(spent.ours / ratios.length, 3),
      git_apply: round(spent.git / ratios.length, 3),
    },
    ratio_geomean: round(Math.exp(ratios.reduce((sum, ratio) => sum + Math.log(ratio), 0) / ratios.length)),
    ratio_p10: round(quantile(sorted, 0.1)),
    ratio_total: round(spent.git / spent.ours),
  }
}

const lines = (count: number): string[] =>
  Array.from({ length: count }, (_, at) => `line ${at} of the base\n`)
const state = (text: readonly string[]): FileState => ({ mode: "100644", bytes: bytes(text.join("")) })
const edited = (base: readonly string[], at: number, text: string): string[] =>
  base.map((line, n) => (n === at ? text : line))

/** Two edits with `gap` untouched lines between them: resolved, and exactly both edits. */
const closeEdits = (gap: number, cases: number) => {
  const base = lines(40)
  let resolved = 0
  for (let n = 0; n < cases; n++) {
    const [at, other] = n % 2 === 0 ? [5 + (n % 20), 6 + (n % 20) + gap] : [6 + (n % 20) + gap, 5 + (n % 20)]
    const theirs = edited(base, at, `theirs ${n}\n`)
    const ours = edited(base, other, `ours ${n}\n`)
    const merged = rebaseChange({ path: "f", base: state(base), ours: state(ours), theirs: state(theirs) })
    if (!merged.ok) continue
    const want = edited(theirs, other, `ours ${n}\n`).join("")
    resolved += check(Buffer.from(merged.value.after?.bytes ?? []).toString() === want)
  }
  return round((100 * resolved) / cases, 1)
}

/** Equal blocks under unique titles, others' blocks added above: the edit must hit its own block. */
const lookAlikes = (cases: number) => {
  let right = 0
  const block = (title: string, value: string) =>
    `[${title}]\nenabled = true\nlevel = ${value}\npath = default\n\n`
  for (let n = 0; n < cases; n++) {
    const titles = Array.from({ length: 12 }, (_, at) => `section-${at}`)
    const file = (values: (title: string) => string, extra: readonly string[] = []) =>
      bytes([...extra, ...titles].map((title) => block(title, values(title))).join(""))
    const target = titles[n % titles.length]!
    const extra = Array.from({ length: 1 + (n % 5) }, (_, at) => `new-${n}-${at}`)
    const base: FileState = { mode: "100644", bytes: file(() => "1") }
    const theirs: FileState = { mode: "100644", bytes: file((title) => (title === target ? "2" : "1")) }
    const ours: FileState = { mode: "100644", bytes: file(() => "1", extra) }
    const merged = rebaseChange({ path: "f", base, ours, theirs })
    const want = file((title) => (title === target ? "2" : "1"), extra)
    right += check(merged.ok && Buffer.from(merged.value.after?.bytes ?? []).equals(want))
  }
  return right
}

/** Milliseconds to parse and apply; the best of three, because the first pays for compiling. */
const large = (name: string, base: string, patch: string, fits = true) => {
  const best = Math.min(
    ...Array.from({ length: 3 }, () => {
      const start = performance.now()
      const parsed = parsePatch(bytes(patch), { path: "f", operation: "update" })
      const applied = parsed.ok ? applyPatch(parsed.value, { mode: "100644", bytes: bytes(base) }) : parsed
      check(applied.ok === fits && (applied.ok || applied.error.code === "corrupt_patch"))
      return performance.now() - start
    }),
  )
  return [name, round(best, 1)] as const
}

const header = "diff --git a/f b/f\n--- a/f\n+++ b/f\n"
const manyHunks = (hunks: number, width: number) => {
  const base = Array.from({ length: hunks * 10 }, (_, n) => `${n} ${"x".repeat(width)}\n`)
  const patch = Array.from({ length: hunks }, (_, n) => {
    const at = n * 10 + 4
    return `@@ -${at + 1} +${at + 1} @@\n-${base[at]}+changed ${n}\n`
  })
  return [base.join(""), header + patch.join("")] as const
}
/** The same context everywhere and a wrong line number: the one place is nowhere, or everywhere. */
const lostAmongEqualLines = (file: number, context: number) => {
  const text = " same\n".repeat(context)
  return [
    "same\n".repeat(file),
    `${header}@@ -7,${context} +7,${context + 1} @@\n${text}-old\n+new\n`,
  ] as const
}
const equalLines = (count: number) => {
  const same = "same\n".repeat(count)
  const context = " same\n".repeat(count)
  return [`${same}old\n`, `${header}@@ -1,${count + 1} +1,${count + 1} @@\n${context}-old\n+new\n`] as const
}

const repositories = []
for (const argument of positionals) repositories.push(await repository(argument))
const geomeans = repositories.map(({ ratio_geomean }) => ratio_geomean)
console.log(
  JSON.stringify(
    {
      bench: "patch",
      mode: "in memory, long-lived process; rival: one git apply --cached process per commit",
      repositories,
      ratio_geomean:
        geomeans.length === 0
          ? null
          : round(Math.exp(geomeans.reduce((sum, ratio) => sum + Math.log(ratio), 0) / geomeans.length)),
      rebase: {
        close_edits_resolved_percent: Object.fromEntries(
          [1, 2, 3, 5].map((gap) => [`${gap} lines apart`, closeEdits(gap, 200)]),
        ),
        touching_edits_resolved_percent: closeEdits(0, 200),
        look_alike_files_right: `${lookAlikes(300)} of 300`,
      },
      large_ms: Object.fromEntries([
        large("10 MB, 10,000 hunks", ...manyHunks(10_000, 90)),
        large("5 MB, 5,000 hunks", ...manyHunks(5_000, 90)),
        large("5,000 equal context lines", ...equalLines(5_000)),
        large("5,000 equal context lines lost in 100,000", ...lostAmongEqualLines(100_000, 5_000), false),
      ]),
      wrong,
      goals: {
        ratio_geomean: 5,
        ratio_least: 3,
        close_1_2: 98,
        close_3: 100,
        look_alike: 300,
        large_ms: 250,
      },
    },
    null,
    2,
  ),
)
process.exitCode = wrong === 0 ? 0 : 1
