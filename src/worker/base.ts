import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import { type FileState, gitlinkContent } from "../domain/files.ts"
import type { ReadError } from "../platform/git/errors.ts"
import { GitRepository, type GitRepositoryShape } from "../platform/git/GitRepository.ts"
import { EMPTY_TREE, type Oid } from "../platform/git/objects.ts"
import { branchRef } from "../platform/git/refs.ts"
import { findFile } from "../platform/git/tree-edit.ts"
import { writeWorktreeTree } from "../platform/git/worktree-tree.ts"
import { Operator } from "../platform/Operator.ts"
import { type LoadedPolicy, PolicyStore } from "../platform/PolicyStore.ts"
import { POLICY_FILE } from "../platform/Workspace.ts"

/** HEAD is detached and the policy names no branch: there is nothing to land on. */
export class NoBranch extends Data.TaggedError("NoBranch") {
  override get message(): string {
    return "HEAD is detached, and the policy names no landing branch"
  }
}

const shortRef = (ref: string): string => ref.replace(/^refs\/heads\//, "")

/** What is checked out sends changes to a branch whose own policy sends them elsewhere. */
export class LandingDisputed extends Data.TaggedError("LandingDisputed")<{
  /** What is checked out; null when HEAD is detached. */
  readonly head: string | null
  readonly branch: string
  /** Where the branch's own policy has them land: `on main`. */
  readonly instead: string
}> {
  override get message(): string {
    const here = this.head === null ? "HEAD" : shortRef(this.head)
    return `the policy of ${here} lands on ${shortRef(this.branch)}, whose own policy lands ${this.instead}`
  }
}

/** The tip that changes land on. `commit` is null on an unborn branch, whose tree is the empty one. */
export interface Base {
  /** Full name: `refs/heads/main`. */
  readonly ref: string
  readonly commit: Oid | null
  /** Of the commit; in `worktree` mode of the working tree as it is. */
  readonly tree: Oid
  readonly policy: LoadedPolicy
}

/** Bytes of a file of a tree, or null when the tree has no such regular file. */
const readTracked = (
  git: GitRepositoryShape,
  tree: Oid,
  path: string,
): Effect.Effect<Uint8Array | null, ReadError> =>
  Effect.gen(function* () {
    const entry = yield* git.lookup(tree, path)
    if (entry === null || !entry.mode.startsWith("100")) return null
    const [bytes] = yield* git.readBlobs([entry.oid])
    return bytes ?? null
  })

/** Content and mode of many paths of a tree, in two round trips; null where there is none. */
export const readFiles = Effect.fn("worker.readFiles")(function* (tree: Oid, paths: readonly string[]) {
  const git = yield* GitRepository
  const trees = yield* git.treesAlong(tree, paths)
  const entries = paths.map((path) => findFile(tree, path, trees) ?? null)
  const oids = [...new Set(entries.flatMap((entry) => (entry && entry.mode !== "160000" ? [entry.oid] : [])))]
  const blobs = yield* git.readBlobs(oids)
  const byOid = new Map(oids.map((oid, index) => [oid, blobs[index]!]))
  return new Map<string, FileState | null>(
    paths.map((path, index) => {
      const entry = entries[index]
      if (!entry) return [path, null]
      // A submodule is opaque; its content is the line by which git diffs it.
      const bytes = byOid.get(entry.oid) ?? gitlinkContent(entry.oid)
      return [path, { mode: entry.mode, bytes }]
    }),
  )
})

/** What the working tree holds now, uncommitted edits and all: in `worktree` mode changes land on that. */
const heldTree = Effect.gen(function* () {
  const { layout, ownGitDir } = yield* GitRepository
  const { env } = yield* Operator
  const { worktree } = layout
  if (worktree === null) return yield* new NoBranch()
  const held = yield* writeWorktreeTree({ env, layout: { ...layout, worktree }, ownGitDir })
  return held.tree
})

/** The branch that is checked out, or that an operation which detached HEAD (a rebase, a bisect) comes back to. */
const checkedOut = Effect.gen(function* () {
  const git = yield* GitRepository
  const { ref, oid } = yield* git.head
  if (ref !== null) return { ref, oid }
  const own = (yield* git.worktrees).find(({ gitDir }) => gitDir === git.layout.gitDir)
  return { ref: own?.returnsTo ?? null, oid }
})

/** The landing branch's tip and the policy that judges changes against it. */
export const currentBase = Effect.fn("worker.currentBase")(function* () {
  const git = yield* GitRepository
  const store = yield* PolicyStore
  const head = yield* checkedOut
  const tip = (ref: string) =>
    Effect.gen(function* () {
      const commit = yield* git.resolveRef(ref)
      return { ref, commit, tree: commit === null ? EMPTY_TREE : yield* git.treeOf(commit) }
    })
  const policyOf = (tree: Oid | null) =>
    store.load(tree === null ? Effect.succeed(null) : readTracked(git, tree, POLICY_FILE))
  // The branch may be named by the policy, and the policy may be in that branch's tree: HEAD's tree decides first.
  const first = head.ref === null ? null : yield* tip(head.ref)
  const policy = yield* policyOf(first?.tree ?? (head.oid === null ? null : yield* git.treeOf(head.oid)))
  const named = policy.policy.landing.branch
  if (policy.policy.landing.mode === "worktree" || named === undefined || branchRef(named) === first?.ref) {
    if (first === null) return yield* new NoBranch()
    if (policy.policy.landing.mode !== "worktree") return { ...first, policy } satisfies Base
    return { ...first, tree: yield* heldTree, policy } satisfies Base
  }
  const landing = yield* tip(branchRef(named))
  const judge = yield* policyOf(landing.tree)
  const { branch, mode } = judge.policy.landing
  // Who chose what is checked out must not choose what another branch's own policy forbids.
  if (mode === "worktree" || (branch !== undefined && branchRef(branch) !== landing.ref))
    return yield* new LandingDisputed({
      head: head.ref,
      branch: landing.ref,
      instead: mode === "worktree" ? "in the working tree" : `on ${shortRef(branch ?? "")}`,
    })
  return { ...landing, policy: judge } satisfies Base
})
