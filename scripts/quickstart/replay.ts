import { mkdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { type Commit, canonicalTree, firstParent, sameTree } from "./history.ts"
import { must, type Ran, run, Unexpected } from "./run.ts"

export interface ReplayInput {
  /** How Hyperion is started. */
  readonly program: readonly string[]
  /** Git directory with the history; a copy, because canonical trees are written into it. */
  readonly source: string
  /** The history up to this commit. */
  readonly ref: string
  /** Folder to make the empty repository in. */
  readonly folder: string
  /** Whether the branch that changes land on is the one that is checked out. */
  readonly checkedOut: boolean
  readonly env: Readonly<Record<string, string>>
}

/** A commit whose change was refused: git carried it over, with the reason Hyperion gave. */
export interface Carried {
  readonly revision: string
  readonly reason: string
}

export interface Replay {
  readonly repository: string
  readonly branch: string
  /** Of the first-parent history. */
  readonly commits: number
  /** Commits with the tree of the one before: there is nothing to propose. */
  readonly unchanged: number
  readonly proposed: number
  readonly landed: number
  readonly carried: readonly Carried[]
  /** Trees compared with git's, one after every commit, and the commits where they differ. */
  readonly compared: number
  readonly different: readonly string[]
  readonly seconds: { readonly propose: number; readonly enqueue: number; readonly drain: number }
}

interface Drained {
  readonly entries: readonly {
    readonly task_id: string
    readonly outcome: string
    readonly commit: string | null
  }[]
}

interface Explained {
  readonly explanations: readonly { readonly code: string; readonly message: string }[]
}

const TASK_LENGTH = 12

/** Replays a history through propose, enqueue and worker into an empty repository and compares every tree. */
export const replay = (input: ReplayInput): Replay => {
  const { program, source, env } = input
  const repository = join(input.folder, "repository")
  const branch = input.checkedOut ? "main" : "replay"
  const git = (...args: readonly string[]) => must({ argv: ["git", ...args], cwd: repository, env }).trim()
  const hyperion = (cwd: string, ...args: readonly string[]) => run({ argv: [...program, ...args], cwd, env })
  mkdirSync(repository, { recursive: true })
  git("init", "-q", "-b", "main")
  succeeded(hyperion(repository, "init", "--profile", "replay", "--branch", branch, "--yes"), "init")

  const commits = firstParent(source, input.ref, env)
  const position = new Map(commits.map(({ revision }, index) => [revision.slice(0, TASK_LENGTH), index]))
  const seconds = { propose: 0, enqueue: 0, drain: 0 }
  const carried: Carried[] = []
  const landings = new Map<number, string>()
  let proposed = -1
  let from = 0
  for (;;) {
    const file = join(input.folder, `changes-${from}.jsonl`)
    const range =
      from === 0 ? ["--ref", input.ref] : ["--from", `${commits[from - 1]!.revision}..${input.ref}`]
    const made = hyperion(source, "propose", ...range, "--out", file)
    succeeded(made, "propose")
    if (proposed < 0) proposed = readFileSync(file, "utf8").split("\n").length - 1
    const queued = hyperion(repository, "enqueue", file, "--format", "json")
    if (queued.code !== 0 && queued.code !== REJECTED)
      throw new Unexpected(`enqueue: ${queued.stderr.trim()}`)
    const drained = hyperion(repository, "worker", "--drain", "--format", "json")
    succeeded(drained, "worker")
    seconds.propose += made.seconds
    seconds.enqueue += queued.seconds
    seconds.drain += drained.seconds
    for (const { task_id, outcome, commit } of (JSON.parse(drained.stdout) as Drained).entries)
      if (outcome === "landed" && commit !== null) landings.set(position.get(task_id)!, commit)
    const refused = nextRefused(input, commits, landings)
    if (refused === null) break
    carried.push({
      revision: commits[refused]!.revision,
      reason: reasonFor(commits[refused]!, queued, (task) =>
        hyperion(repository, "why", task, "--format", "json"),
      ),
    })
    // What follows was chained to it. Proposed from here on, the next one starts a chain of its own; the ones after it
    // follow the answer that takes its place, or are queued now.
    const next = commits.findIndex((_, index) => index > refused && changes(input, commits, index))
    if (next !== -1) hyperion(repository, "cancel", commits[next]!.revision.slice(0, TASK_LENGTH))
    landings.set(refused, carry(input, repository, branch, commits[refused]!))
    from = refused + 1
  }
  return {
    repository,
    branch,
    commits: commits.length,
    unchanged: commits.length - landings.size,
    proposed,
    landed: landings.size - carried.length,
    carried,
    ...compare(input, commits, landings, firstParent(join(repository, ".git"), branch, env)),
    seconds,
  }
}

/** Exit code of an enqueue where some documents were refused and the rest was queued. */
const REJECTED = 5

const succeeded = ({ code, stderr }: Ran, what: string): void => {
  if (code !== 0) throw new Unexpected(`hyperion ${what} ended with ${code}: ${stderr.trim()}`)
}

const EMPTY_TREE = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"

const treeBefore = (commits: readonly Commit[], index: number): string =>
  commits[index - 1]?.tree ?? EMPTY_TREE

/** Whether a commit's tree differs from the one before, however both are written. */
const changes = ({ source, env }: ReplayInput, commits: readonly Commit[], index: number): boolean => {
  const [before, tree] = [treeBefore(commits, index), commits[index]!.tree]
  if (before === tree) return false
  return canonicalTree(source, before, env) !== canonicalTree(source, tree, env)
}

/** The first commit that changes something and has not landed. */
const nextRefused = (
  input: ReplayInput,
  commits: readonly Commit[],
  landings: ReadonlyMap<number, string>,
): number | null => {
  const index = commits.findIndex((_, at) => !landings.has(at) && changes(input, commits, at))
  return index === -1 ? null : index
}

interface Rejection {
  readonly outcome: string
  readonly task_id?: string | null
  readonly where?: string
  readonly violations?: readonly { readonly code: string; readonly message: string }[]
}

const reasonFor = ({ revision }: Commit, queued: Ran, why: (task: string) => Ran): string => {
  const task = revision.slice(0, TASK_LENGTH)
  const { results } = JSON.parse(queued.stdout) as { readonly results: readonly Rejection[] }
  const rejected = results.find((result) => result.outcome === "rejected" && result.task_id === task)
  const [violation] = rejected?.violations ?? []
  if (violation) return `${violation.code}: ${violation.message}`
  const answer = why(task)
  if (answer.code !== 0) return "refused at the door"
  const { explanations } = JSON.parse(answer.stdout) as Explained
  return explanations.map(({ code, message }) => `${code}: ${message}`).join("; ")
}

/** The commit as git itself would bring it: the same tree on the branch's tip. */
const carry = (input: ReplayInput, repository: string, branch: string, commit: Commit): string => {
  const git = (...args: readonly string[]) =>
    must({ argv: ["git", ...args], cwd: repository, env: input.env }).trim()
  git("fetch", "-q", "--no-tags", input.source, commit.revision)
  const tip = run({
    argv: ["git", "rev-parse", "-q", "--verify", branch],
    cwd: repository,
    env: input.env,
  }).stdout
  const parent = tip.trim() === "" ? [] : ["-p", tip.trim()]
  const made = git("commit-tree", commit.tree, ...parent, "-m", `carried over by git: ${commit.revision}`)
  if (input.checkedOut) git("reset", "-q", "--hard", made)
  else git("update-ref", `refs/heads/${branch}`, made)
  return made
}

/** Every commit of the history against what stands on the branch after it. */
const compare = (
  { source, env }: ReplayInput,
  commits: readonly Commit[],
  landings: ReadonlyMap<number, string>,
  onBranch: readonly Commit[],
): { readonly compared: number; readonly different: readonly string[] } => {
  const different: string[] = []
  let at = -1
  for (const [index, { revision, tree }] of commits.entries()) {
    const landed = landings.get(index)
    if (landed !== undefined) at++
    const got = onBranch[at]
    const inPlace = landed === undefined || got?.revision === landed
    if (!inPlace || !sameTree(source, tree, got?.tree ?? EMPTY_TREE, env)) different.push(revision)
  }
  if (onBranch.length !== at + 1) different.push(`${onBranch.length} commits where ${at + 1} are expected`)
  return { compared: commits.length, different }
}
