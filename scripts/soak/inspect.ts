import { readdirSync } from "node:fs"
import { join } from "node:path"
import { hyperion, type Repository } from "../../test/support/workspace.ts"
import { countsOf, eventsOf, type Stored, storedEntries } from "./queue-file.ts"

/** What a task adds to the tree. */
export interface Wanted {
  readonly path: string
  readonly text: string
}

export interface Expected {
  /** Tasks whose landing adds exactly one file. */
  readonly wanted: ReadonlyMap<string, Wanted>
  /** Of these, those that must have landed. */
  readonly acknowledged: ReadonlySet<string>
  /** Paths that other tasks may have made or changed, beside the base. */
  readonly others: RegExp
  readonly verify: number | "all"
}

const blobOf = (text: string): string =>
  new Bun.CryptoHasher("sha1").update(`blob ${Buffer.byteLength(text)}\0${text}`).digest("hex")

interface Landed {
  readonly commit: string
  readonly task: string
  readonly changed: readonly string[]
}

/** The branch's commits that carry our trailers, with what each of them changed. */
const landedOn = (
  repository: Repository,
): { readonly commits: readonly Landed[]; readonly others: number } => {
  const format = "%x1e%H%x1f%(trailers:key=Task-Id,valueonly,separator=%x2C)%x1f"
  const log = repository.git("log", "--no-renames", "--name-status", `--format=${format}`, "main")
  const all = log
    .split("\x1e")
    .slice(1)
    .map((record): Landed => {
      const [commit, task, names] = record.split("\x1f") as [string, string, string]
      return { commit, task, changed: names.split("\n").filter((line) => line !== "") }
    })
  const commits = all.filter(({ task }) => task !== "")
  return { commits, others: all.length - commits.length }
}

const doubles = (names: readonly string[]): readonly string[] => {
  const seen = new Set<string>()
  return names.filter((name) => seen.size === seen.add(name).size)
}

/** Entries, receipts, log and branch against each other and against what was acknowledged. */
const exactlyOnce = (
  entries: readonly Stored[],
  commits: readonly Landed[],
  { wanted, acknowledged }: Expected,
): readonly string[] => {
  const faults: string[] = []
  const byCommit = new Map(commits.map((landed) => [landed.commit, landed]))
  const twice = doubles(commits.map(({ task }) => task))
  if (twice.length > 0) faults.push(`landed twice: ${twice.slice(0, 10).join(", ")}`)
  const isApplied = new Set(entries.flatMap(({ task_id, state }) => (state === "applied" ? [task_id] : [])))
  for (const task of acknowledged) if (!isApplied.has(task)) faults.push(`acknowledged, and lost: ${task}`)
  for (const { task_id: task, state, commit_id: commit, applied } of entries) {
    if (applied !== (state === "applied" ? 1 : 0))
      faults.push(`the log has ${task} applied ${applied} times, and it is ${state}`)
    if (state !== "applied") continue
    const landed = commit === null ? undefined : byCommit.get(commit)
    const one = wanted.get(task)
    if (landed?.task !== task) faults.push(`the receipt of ${task} names a commit that is not on the branch`)
    else if (one && (landed.changed.length !== 1 || landed.changed[0] !== `A\t${one.path}`))
      faults.push(`the commit of ${task} changed ${landed.changed.join(", ")}`)
  }
  for (const { task } of commits) if (!isApplied.has(task)) faults.push(`landed, and not applied: ${task}`)
  return faults
}

const treeFaults = (
  repository: Repository,
  entries: readonly Stored[],
  { wanted, others }: Expected,
): readonly string[] => {
  const faults: string[] = []
  const left = new Map(
    entries.flatMap(({ task_id: task, state }) => {
      const one = state === "applied" ? wanted.get(task) : undefined
      return one ? [[one.path, blobOf(one.text)] as const] : []
    }),
  )
  for (const line of repository.git("ls-tree", "-r", "main").split("\n")) {
    const [meta, path] = line.split("\t") as [string, string]
    if (others.test(path)) continue
    if (left.get(path) !== meta.split(" ")[2]) faults.push(`${path} is not what was asked for`)
    left.delete(path)
  }
  for (const path of left.keys()) faults.push(`${path} is not there`)
  return faults
}

/** Files that a process which died may leave, and nobody may find once another has worked. */
const strays = ({ root }: Repository): readonly string[] => [
  ...readdirSync(join(root, ".git"), { recursive: true })
    .map(String)
    .filter((path) => /\.lock$|(^|\/)hyperion-/.test(path) && !path.startsWith("objects/")),
  ...readdirSync(join(root, ".hyperion/stage")).map((name) => `stage ${name}`),
]

/** Everything there is to say about a queue and a branch at rest. A fault is a line of text. */
export const inspect = async (repository: Repository, expected: Expected) => {
  const { root } = repository
  const entries = storedEntries(root)
  const { commits, others } = landedOn(repository)
  const faults = [...exactlyOnce(entries, commits, expected), ...treeFaults(repository, entries, expected)]
  // The base and the policy.
  if (others !== 2) faults.push(`${others} commits without our trailers`)
  const said = (what: string, text: string) => {
    if (text !== "") faults.push(`${what}: ${text}`)
  }
  said("status", repository.git("status", "--porcelain", "--untracked-files=all"))
  said("fsck", repository.git("fsck", "--strict", "--no-dangling", "--no-progress"))
  said("left over", strays(repository).join(", "))
  const timed = (...args: string[]) => {
    const begun = performance.now()
    const ran = hyperion(repository, args)
    if (ran.code !== 0)
      faults.push(`${args.join(" ")} ended with ${ran.code}: ${ran.stderr}${ran.stdout}`.slice(0, 2_000))
    return Math.round(performance.now() - begun) / 1_000
  }
  const audit = timed("audit", "verify")
  const doctor = timed("doctor", "--full")
  const replay = timed("replay", "--to", join(repository.outside, "again"))
  const applied = entries.filter(({ state }) => state === "applied")
  const step = expected.verify === "all" ? 1 : Math.max(1, Math.floor(applied.length / expected.verify))
  const sample = applied.filter((_, index) => index % step === 0)
  const verify =
    expected.verify === "all"
      ? timed("verify", "--all")
      : sample.map(({ id }) => timed("verify", String(id))).reduce((sum, one) => sum + one, 0)
  return {
    report: {
      applied: applied.length,
      states: countsOf(root).states,
      events: eventsOf(root),
      verified: sample.length,
      seconds_after: { audit_verify: audit, doctor_full: doctor, replay, verify },
    },
    faults,
  }
}
