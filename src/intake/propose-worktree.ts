import * as Effect from "effect/Effect"
import type { Change, ChangeRequest } from "../domain/change-request.ts"
import type { TaskId } from "../domain/ids.ts"
import { quoted } from "../domain/violation.ts"
import { makeObjectReader } from "../platform/git/cat-file.ts"
import { GitFailed } from "../platform/git/errors.ts"
import { GitRepository } from "../platform/git/GitRepository.ts"
import type { RepositoryLayout } from "../platform/git/layout.ts"
import type { Oid } from "../platform/git/objects.ts"
import { openGitPipe } from "../platform/git/pipe.ts"
import type { Environment } from "../platform/git/process.ts"
import { type WorktreeTree, writeWorktreeTree } from "../platform/git/worktree-tree.ts"
import { agentNameOf } from "./commit-text.ts"
import { changesOf, filesOf, hasLostPath, MAX_DIFF_BYTES } from "./file-changes.ts"
import { ProposeFailed } from "./history.ts"
import { askDiff, DIFF_TREE, END_MARK } from "./tree-diff.ts"

export interface ProposeWorktreeInput {
  /** Of the working tree that is meant, as `discover` finds it there. */
  readonly layout: RepositoryLayout
  readonly env: Environment
  /** Who made the edits. */
  readonly agent: string
  /** What they are for; a sentence about the files when nobody says. */
  readonly intent?: string
}

export interface WorktreeProposal {
  readonly change_request: ChangeRequest
  /** The commit that was checked out; null on an unborn branch. */
  readonly base: Oid | null
  /** What the files hold, as a tree in Hyperion's own store. */
  readonly tree: Oid
  /** Repositories below the working tree; they are left out. */
  readonly repositories: readonly string[]
}

/**
 * The uncommitted edits of a working tree as one change request; null when there are none. Staged or not makes no
 * difference: what counts is what the files hold now. Nothing of the working tree is touched.
 */
export const proposeWorktree = Effect.fn("intake.proposeWorktree")(function* (input: ProposeWorktreeInput) {
  const git = yield* GitRepository
  const { layout } = input
  const root = layout.worktree
  if (root === null)
    return yield* new ProposeFailed({
      reason: "no_worktree",
      revision: layout.gitDir,
      detail: "the repository has no working tree",
    })
  const held = yield* writeWorktreeTree({
    env: input.env,
    layout: { ...layout, worktree: root },
    ownGitDir: git.ownGitDir,
  })
  if (held.tree === held.headTree) return null
  const changes = yield* Effect.tryPromise({
    try: () => changesBetween(input.env, git.ownGitDir, held),
    catch: (error) => {
      if (error instanceof ProposeFailed || error instanceof GitFailed) return error
      throw error
    },
  })
  yield* refuseConverted(root, held.tree, changes)
  return toProposal(input, held, changes)
})

const changesBetween = async (env: Environment, gitDir: string, held: WorktreeTree): Promise<Change[]> => {
  const objects = makeObjectReader(gitDir, env)
  const git = openGitPipe(env, { command: "diff-tree", args: DIFF_TREE, gitDir })
  try {
    git.write(askDiff(held.headTree, held.tree))
    git.end()
    const answer = await git.readUntil(END_MARK, MAX_DIFF_BYTES)
    const files = filesOf(answer, { from: held.headTree, to: held.tree }, "the working tree")
    const lost = files.find(hasLostPath)
    if (lost)
      throw new ProposeFailed({
        reason: "unexpected_output",
        revision: "the working tree",
        detail: `the name ${quoted(lost.path.toString("utf8"))} is not UTF-8, and JSON has no form for it`,
      })
    return await changesOf(objects, files, "the working tree", new Map())
  } finally {
    git.close()
    objects.close()
  }
}

/** Where git would convert the bytes on disk, they are not what a commit would hold. */
const refuseConverted = Effect.fn("intake.refuseConverted")(function* (
  root: string,
  tree: Oid,
  changes: readonly Change[],
) {
  const git = yield* GitRepository
  const paths = changes.filter(({ operation }) => operation !== "delete").map(({ path }) => path)
  const conversions = yield* git.checkAttributes(paths, tree)
  const converted = paths.find((path) => (conversions.get(path) ?? null) !== null)
  if (converted !== undefined)
    return yield* new ProposeFailed({
      reason: "attribute_unsupported",
      revision: root,
      detail: `git converts ${quoted(converted)} on checkout (${conversions.get(converted)}): commit the edits and propose the commit`,
    })
})

const toProposal = (
  { agent, intent }: ProposeWorktreeInput,
  { head, tree, repositories }: WorktreeTree,
  changes: Change[],
): WorktreeProposal => ({
  change_request: {
    schema_version: 1,
    // By content: the same edits proposed twice are one piece of work, other edits are another.
    task_id: `worktree-${tree.slice(0, 12)}` as TaskId,
    agent: agentNameOf(agent),
    ...(head === null ? {} : { base_revision: head }),
    metadata: {
      intent: intent?.trim() || summaryOf(changes),
      complexity: 1,
      telemetry_anchors: ["propose"],
      approvals: [],
    },
    changes,
    checks: [],
  },
  base: head,
  tree,
  repositories,
})

const summaryOf = (changes: readonly Change[]): string => {
  const paths = [...new Set(changes.map(({ path }) => path))]
  const more = paths.length > 1 ? ` and ${paths.length - 1} more` : ""
  return `Edit ${quoted(paths[0] ?? "")}${more}`
}
