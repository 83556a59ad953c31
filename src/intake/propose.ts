import * as Effect from "effect/Effect"
import type { Change, ChangeRequest } from "../domain/change-request.ts"
import type { TaskId } from "../domain/ids.ts"
import { makeObjectReader, type ObjectReader } from "../platform/git/cat-file.ts"
import { GitFailed } from "../platform/git/errors.ts"
import { EMPTY_TREE, type Oid } from "../platform/git/objects.ts"
import { openGitPipe } from "../platform/git/pipe.ts"
import type { Environment } from "../platform/git/process.ts"
import { agentNameOf, type CommitNote, type CommitText, parseCommitText } from "./commit-text.ts"
import { changesOf, filesOf, hasLostPath, MAX_DIFF_BYTES } from "./file-changes.ts"
import { ProposeFailed, type ProposeRange, readHistory } from "./history.ts"
import { askDiff, DIFF_TREE, END_MARK, type FileDiff } from "./tree-diff.ts"

export interface ProposeInput {
  /** Of the worktree whose names (HEAD, branches) are meant. */
  readonly gitDir: string
  readonly env: Environment
  readonly range: ProposeRange
  /** One change request for the whole range instead of one a commit. */
  readonly squash?: boolean
  /** Bytes of one commit's diff that are held in memory; more is refused as `too_large`. 256 MiB. */
  readonly maxDiffBytes?: number
}

export interface Proposal {
  readonly change_request: ChangeRequest
  /** The commit it was made from and the tree that commit has: what landing the range up to here must give. */
  readonly revision: Oid
  readonly tree: Oid
  /** Which commit of the range, from 1; those that change nothing are counted and left out. */
  readonly position: number
  readonly total: number
  /** What the landed commit cannot repeat byte for byte. */
  readonly notes: readonly ProposalNote[]
}

/** `path_not_utf8`: such a path has no JSON form; the change request is refused later, by name. */
export type ProposalNote = CommitNote | "path_not_utf8"

/** One tree-to-tree step and the commit that tells about it. */
interface Step {
  readonly revision: Oid
  readonly parent: Oid | null
  readonly fromTree: Oid
  readonly text: CommitText
  readonly position: number
}

/** Commits read at once; small next to the pipe's buffer, large next to a round trip. */
const READ_AHEAD = 64
/** Diffs git may work on while we read an earlier one. */
const DIFFS_AHEAD = 8

/**
 * Hands the commits of a range to `visit` as change requests, one after the other: first-parent history, oldest first, a merge as its difference to its first
 * parent, chained by `depends_on`. Exactly git's own patches; five git processes however long the history; at most a
 * few commits in memory. The same range gives the same bytes.
 */
export const propose = <E, R>(
  input: ProposeInput,
  visit: (proposal: Proposal) => Effect.Effect<void, E, R>,
): Effect.Effect<void, ProposeFailed | GitFailed | E, R> =>
  Effect.flatMap(readHistory(input, input.range), (revisions) =>
    Effect.acquireUseRelease(
      Effect.sync(() => proposals(input, revisions)),
      (made) =>
        Effect.gen(function* () {
          for (;;) {
            const next = yield* Effect.tryPromise({ try: () => made.next(), catch: told })
            if (next.done) return
            yield* visit(next.value)
          }
        }),
      // Closes the git processes, also when the visitor stops early.
      (made) => Effect.promise(() => made.return()),
    ),
  )

const told = (error: unknown): ProposeFailed | GitFailed => {
  if (error instanceof ProposeFailed || error instanceof GitFailed) return error
  throw error
}

async function* proposals(input: ProposeInput, revisions: readonly Oid[]): AsyncGenerator<Proposal, void> {
  const objects = makeObjectReader(input.gitDir, input.env)
  const git = openGitPipe(input.env, { command: "diff-tree", args: DIFF_TREE, gitDir: input.gitDir })
  try {
    const all = steps(objects, revisions)
    const source = input.squash ? squashed(all) : all
    const asked: Step[] = []
    const hashes = new Map<Oid, string>()
    let previous: TaskId | null = null
    let last = false
    for (;;) {
      while (!last && asked.length < DIFFS_AHEAD) {
        const next = await source.next()
        last = next.done === true
        if (next.done) git.end()
        else if (next.value.fromTree !== next.value.text.tree) {
          git.write(askDiff(next.value.fromTree, next.value.text.tree))
          asked.push(next.value)
        }
      }
      const step = asked.shift()
      if (!step) return
      const answer = await git.readUntil(END_MARK, input.maxDiffBytes ?? MAX_DIFF_BYTES)
      const files = filesOf(answer, { from: step.fromTree, to: step.text.tree }, step.revision)
      if (files.length === 0) continue
      const changes = await changesOf(objects, files, step.revision, hashes)
      const proposal = toProposal(step, files, changes, previous, revisions.length)
      previous = proposal.change_request.task_id
      yield proposal
    }
  } finally {
    git.close()
    objects.close()
  }
}

async function* steps(objects: ObjectReader, revisions: readonly Oid[]): AsyncGenerator<Step, void> {
  let before: { readonly revision: Oid; readonly tree: Oid } | null = null
  for (let from = 0; from < revisions.length; from += READ_AHEAD) {
    const chunk = revisions.slice(from, from + READ_AHEAD)
    for (const [index, text] of (await readCommits(objects, chunk)).entries()) {
      const revision = chunk[index]!
      const parent = text.parents[0] ?? null
      const fromTree: Oid = await treeBefore(objects, parent, before)
      yield { revision, parent, fromTree, text, position: from + index + 1 }
      before = { revision, tree: text.tree }
    }
  }
}

const treeBefore = async (
  objects: ObjectReader,
  parent: Oid | null,
  before: { readonly revision: Oid; readonly tree: Oid } | null,
): Promise<Oid> => {
  if (parent === null) return EMPTY_TREE
  return before?.revision === parent ? before.tree : (await readCommits(objects, [parent]))[0]!.tree
}

/** The whole range as one step: author and date of its tip, everybody's subjects in the message. */
async function* squashed(all: AsyncGenerator<Step, void>): AsyncGenerator<Step, void> {
  let first: Step | null = null
  let tip: Step | null = null
  const subjects: string[] = []
  for await (const step of all) {
    first ??= step
    tip = step
    subjects.push(`* ${step.text.subject || NO_MESSAGE}`)
  }
  if (!first || !tip) return
  const message = `${tip.text.subject || NO_MESSAGE}\n\n${subjects.join("\n")}\n`
  yield {
    ...tip,
    parent: first.parent,
    fromTree: first.fromTree,
    text: first === tip ? tip.text : { ...tip.text, message },
  }
}

const NO_MESSAGE = "(no message)"

const readCommits = async (objects: ObjectReader, oids: readonly Oid[]): Promise<readonly CommitText[]> =>
  (await objects.read(oids)).map((object, index) => {
    const text = object?.type === "commit" ? parseCommitText(Buffer.from(object.body)) : null
    if (text) return text
    throw new ProposeFailed({
      reason: "incomplete_history",
      revision: oids[index]!,
      detail: object
        ? "it is not a well-formed commit"
        : "the repository does not have this commit (a shallow clone? run: git fetch --unshallow)",
    })
  })

const toProposal = (
  step: Step,
  files: readonly FileDiff[],
  changes: Change[],
  previous: TaskId | null,
  total: number,
): Proposal => {
  const { author, message, notes, subject, tree } = step.text
  return {
    change_request: {
      schema_version: 1,
      task_id: step.revision.slice(0, 12) as TaskId,
      agent: agentNameOf(author.author_name),
      ...(step.parent === null ? {} : { base_revision: step.parent }),
      metadata: {
        intent: subject === "" ? NO_MESSAGE : subject,
        complexity: 1,
        telemetry_anchors: ["propose"],
        approvals: [],
      },
      changes,
      checks: [],
      ...(previous === null ? {} : { depends_on: [previous] }),
      provenance: { revision: step.revision, ...author, message },
    },
    revision: step.revision,
    tree,
    position: step.position,
    total,
    notes: files.some(hasLostPath) ? [...notes, "path_not_utf8"] : notes,
  }
}
