import { Database } from "bun:sqlite"
import { existsSync, lstatSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import { AuditService } from "../../src/audit/AuditService.ts"
import type { EntryState } from "../../src/domain/entry.ts"
import { recoverAtStart } from "../../src/worker/recover.ts"
import {
  changeOf,
  hyperion,
  initWorkspace,
  makeRepository,
  OPEN_POLICY,
  patchOf,
  type Repository,
  requestOf,
} from "../support/workspace.ts"
import { openProcess } from "../worker/workshop.ts"

/** Path → content; `+x ` before it marks an executable. */
export type Tree = Readonly<Record<string, string>>

export interface SceneKind {
  readonly name: string
  readonly isCheckedOut: boolean
  /** `commit` unless said. */
  readonly mode?: "worktree"
  /** It was proven before and waited for a person: it is claimed in the transaction that begins its landing. */
  readonly isApproved?: true
  readonly old: Tree
  readonly now: Tree
  readonly changes: readonly Record<string, unknown>[]
}

const OLD: Tree = {
  "dir/b.txt": "b\n",
  "gone/deep/g.txt": "g\n",
  "old/f.txt": "f\n",
  "run.sh": "#!/bin/sh\n",
  "keep.txt": "k\n",
}

const modePatch = "diff --git a/run.sh b/run.sh\nold mode 100644\nnew mode 100755\n"

const FIVE: Pick<SceneKind, "old" | "now" | "changes"> = {
  old: OLD,
  now: {
    "dir/b.txt": "b2\n",
    "new/deep/x.txt": "x\n",
    "moved/f.txt": "f\n",
    "run.sh": "+x #!/bin/sh\n",
    "keep.txt": "k\n",
  },
  changes: [
    changeOf("dir/b.txt", "b2\n", "update"),
    changeOf("new/deep/x.txt", "x\n"),
    changeOf("gone/deep/g.txt", null),
    changeOf("old/f.txt", null),
    changeOf("moved/f.txt", "f\n"),
    patchOf("run.sh", modePatch),
  ],
}

const ONE: Pick<SceneKind, "old" | "now" | "changes"> = {
  old: OLD,
  now: { ...OLD, "dir/b.txt": "b2\n" },
  changes: [changeOf("dir/b.txt", "b2\n", "update")],
}

/** A hundred paths: 40 updated, 30 added, 15 deleted, 15 moved with their folder. */
const manyChanges = (): Pick<SceneKind, "old" | "now" | "changes"> => {
  const old: Record<string, string> = { "keep.txt": "k\n" }
  const now: Record<string, string> = { "keep.txt": "k\n" }
  const changes: Record<string, unknown>[] = []
  for (let at = 0; at < 40; at++) {
    const path = `u${at % 5}/f${at}.txt`
    old[path] = `old ${at}\n`
    now[path] = `new ${at}\n`
    changes.push(changeOf(path, now[path], "update"))
  }
  for (let at = 0; at < 30; at++) {
    now[`a${at % 4}/n${at}.txt`] = `added ${at}\n`
    changes.push(changeOf(`a${at % 4}/n${at}.txt`, `added ${at}\n`))
  }
  for (let at = 0; at < 15; at++) {
    old[`d/${at}.txt`] = `gone ${at}\n`
    old[`from/m${at}.txt`] = `moved ${at}\n`
    now[`to/m${at}.txt`] = `moved ${at}\n`
    changes.push(changeOf(`d/${at}.txt`, null), changeOf(`from/m${at}.txt`, null))
    changes.push(changeOf(`to/m${at}.txt`, `moved ${at}\n`))
  }
  return { old, now, changes }
}

export const SCENES: readonly SceneKind[] = [
  { name: "one", isCheckedOut: true, ...ONE },
  { name: "five", isCheckedOut: true, ...FIVE },
  { name: "one elsewhere", isCheckedOut: false, ...ONE },
  { name: "five elsewhere", isCheckedOut: false, ...FIVE },
  { name: "one worktree", isCheckedOut: true, mode: "worktree", ...ONE },
  { name: "five worktree", isCheckedOut: true, mode: "worktree", ...FIVE },
  { name: "one approved", isCheckedOut: true, isApproved: true, ...ONE },
]
export const hundreds = (): readonly SceneKind[] => [
  { name: "hundred", isCheckedOut: true, ...manyChanges() },
  { name: "hundred worktree", isCheckedOut: true, mode: "worktree", ...manyChanges() },
]

/** A workspace with one entry that is ready to land, restored to that as often as wanted, at the same path. */
export interface Scene {
  readonly kind: SceneKind
  readonly repository: Repository
  readonly restore: () => void
  /** Keeps the state as it is now, for `back`. */
  readonly save: () => { readonly back: () => void }
  readonly remove: () => void
}

const copy = (from: string, to: string): void => {
  rmSync(to, { recursive: true, force: true })
  const done = Bun.spawnSync(["cp", "-a", from, to])
  if (done.exitCode !== 0) throw new Error(done.stderr.toString())
}

export const makeScene = (kind: SceneKind): Scene => {
  const repository = makeRepository(kind.old as Record<string, string>)
  if (!kind.isCheckedOut) repository.git("checkout", "--quiet", "-b", "elsewhere")
  repository.write({ ".git/info/exclude": "/.hyperion/\n/execution/\n/hyperion.json\n" })
  const { mode = "commit" } = kind
  initWorkspace(repository, {
    ...OPEN_POLICY,
    landing: { mode, branch: "main" },
    ...(kind.isApproved && { approvals: { required: 1, presence: "none", unattended: true } }),
  })
  const file = join(repository.outside, "request.json")
  const request = requestOf("T-1", {}, { changes: kind.changes })
  repository.write({ "../request.json": JSON.stringify(request) })
  const queued = hyperion(repository, ["enqueue", file])
  if (queued.code !== 0) throw new Error(`enqueue: ${queued.stderr}${queued.stdout}`)
  if (kind.isApproved) {
    hyperion(repository, ["worker", "--drain"])
    const approved = hyperion(repository, ["approve", "T-1", "--yes"])
    if (approved.code !== 0) throw new Error(`approve: ${approved.stderr}`)
  }
  // What git would write by itself some time later must not look like a trace of ours.
  repository.git("status")
  const kept = mkdtempSync(join(tmpdir(), "hyperion-kept-"))
  copy(repository.outside, `${kept}/start`)
  let saves = 0
  return {
    kind,
    repository,
    restore: () => copy(`${kept}/start`, repository.outside),
    save: () => {
      const at = `${kept}/${saves++}`
      copy(repository.outside, at)
      return { back: () => copy(at, repository.outside) }
    },
    remove: () => {
      repository.remove()
      rmSync(kept, { recursive: true, force: true })
    },
  }
}

const filesIn = (root: string, folder = ""): [string, string][] =>
  readdirSync(join(root, folder)).flatMap((name): [string, string][] => {
    const path = folder === "" ? name : `${folder}/${name}`
    if ([".git", ".hyperion", "execution", "hyperion.json"].includes(path)) return []
    const stat = lstatSync(join(root, path))
    if (stat.isDirectory()) {
      const inside = filesIn(root, path)
      return inside.length > 0 ? inside : [[`${path}/`, ""]]
    }
    const text = stat.isSymbolicLink()
      ? readlinkSync(join(root, path))
      : readFileSync(join(root, path), "utf8")
    return [[path, `${(stat.mode & 0o100) === 0 ? "" : "+x "}${text}`]]
  })

const strays = (root: string, folder = ".git"): string[] =>
  readdirSync(join(root, folder), { recursive: true })
    .map(String)
    .filter((path) => /\.lock$|(^|\/)hyperion-/.test(path) && !path.startsWith("objects/"))

const equal = (left: unknown, right: unknown): boolean => Bun.deepEquals(left, right)

export interface Verdict {
  readonly side: "old" | "new" | "half"
  readonly state: EntryState
  readonly faults: readonly string[]
}

/**
 * Recovers what a dead worker left, in this process and without landing anything more, then looks at everything.
 * `edits`: paths where somebody else wrote meanwhile, with what they must still say.
 */
export const recoverAndLook = async (scene: Scene, edits: Tree = {}): Promise<Verdict> => {
  const { kind, repository } = scene
  const { root } = repository
  const faults: string[] = []
  const shop = await openProcess(repository)
  try {
    const report = await shop.run(recoverAtStart())
    if (report.blocked !== null) faults.push(report.blocked)
    const audit = await shop.run(Effect.flatMap(AuditService, (service) => service.verify(undefined)))
    if (audit.fault !== null) faults.push(`audit: ${audit.fault.message}`)
    const state = await shop.state(1)
    const receipt = (await shop.show(1)).receipt
    const files = Object.fromEntries(filesIn(root).filter(([path]) => !(path in edits)))
    const without = (tree: Tree) =>
      Object.fromEntries(Object.entries(tree).filter(([path]) => !(path in edits)))
    const tip = repository.git("rev-parse", "main")
    const isCommit = kind.mode !== "worktree"
    const hasLanded = repository.git("log", "--format=%H", "--grep=^Cast-Id:", "main") !== ""
    const worktree = kind.isCheckedOut
      ? equal(files, without(kind.now)) && hasLanded === isCommit
        ? "new"
        : equal(files, without(kind.old)) && !hasLanded
          ? "old"
          : "half"
      : equal(files, without(kind.old))
        ? hasLanded
          ? "new"
          : "old"
        : "half"
    if (worktree === "half") faults.push(`files: ${JSON.stringify(files)} at ${tip}`)
    const states: readonly EntryState[] =
      worktree === "new" ? ["applied"] : ["pending", "in_progress", "scheduled", "verified", "conflict"]
    if (!states.includes(state)) faults.push(`entry is ${state} with the ${worktree} tree`)
    if (state === "applied" && receipt === null) faults.push("no receipt")
    const status = repository
      .git("status", "--porcelain", "--untracked-files=all")
      .split("\n")
      .filter((line) => line !== "" && !(line.slice(3) in edits) && !(line.slice(2) in edits))
    if (isCommit && status.length > 0) faults.push(`status: ${status.join("; ")}`)
    const fsck = repository.git("fsck", "--strict", "--no-dangling", "--no-progress")
    if (fsck !== "") faults.push(`fsck: ${fsck}`)
    const stray = strays(root)
    if (stray.length > 0) faults.push(`left in .git: ${stray.join(", ")}`)
    for (const [path, text] of Object.entries(edits)) {
      const kept = existsSync(join(root, path)) ? readFileSync(join(root, path), "utf8") : ""
      const rescued = existsSync(join(root, ".hyperion/rescued"))
        ? readdirSync(join(root, ".hyperion/rescued")).map((name) =>
            readFileSync(join(root, ".hyperion/rescued", name), "utf8"),
          )
        : []
      if (![kept, ...rescued].some((content) => content.includes(text)))
        faults.push(`lost: ${text} in ${path}`)
    }
    return { side: worktree, state, faults }
  } finally {
    await shop.dispose()
    const stages = readdirSync(join(root, ".hyperion/stage"))
    if (stages.length > 0) faults.push(`stage: ${stages.join(", ")}`)
  }
}

/** A dead worker's lease is over at once, instead of after minutes. */
export const endLeases = ({ root }: Repository): void => {
  const db = new Database(join(root, ".hyperion/hyperion.db"))
  db.run("UPDATE entry SET leased_until = 1 WHERE state IN ('in_progress', 'committing')")
  db.close()
}

/** Lands for good, after whatever happened: the entry must still be able to. */
export const finishAndLook = async (scene: Scene, edits: Tree = {}): Promise<readonly string[]> => {
  endLeases(scene.repository)
  const ran = hyperion(scene.repository, ["worker", "--drain"])
  if (ran.code !== 0) return [`worker: ${ran.code} ${ran.stderr}`]
  const { side, state, faults } = await recoverAndLook(scene, edits)
  return side === "new" && state === "applied" ? faults : [`in the end ${side} and ${state}`, ...faults]
}
