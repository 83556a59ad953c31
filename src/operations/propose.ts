import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { Document } from "../intake/documents.ts"
import { type Proposal, type ProposeInput, propose } from "../intake/propose.ts"
import { type ProposeWorktreeInput, proposeWorktree } from "../intake/propose-worktree.ts"
import { type Submission, submit } from "./submit.ts"

export interface ProposeSummary {
  readonly proposed: number
  /** Commits of the range; those that change nothing are left out. */
  readonly commits: number
  /** Notes by kind: what the landed commit cannot repeat byte for byte. */
  readonly notes: Readonly<Record<string, number>>
}

const NOTHING: ProposeSummary = { proposed: 0, commits: 0, notes: {} }

const counted = (summary: ProposeSummary, proposal: Proposal): ProposeSummary => {
  const notes = { ...summary.notes }
  for (const note of proposal.notes) notes[note] = (notes[note] ?? 0) + 1
  return { proposed: summary.proposed + 1, commits: proposal.total, notes }
}

/** Hands each change request of a range to `write`, oldest first, as it is made. */
export const proposeEach = <E>(input: ProposeInput, write: (proposal: Proposal) => Effect.Effect<void, E>) =>
  Stream.runFoldEffect(propose(input), NOTHING, (summary, proposal) =>
    Effect.as(write(proposal), counted(summary, proposal)),
  )

/** Documents enqueued at once: bounds what is in memory. */
const CHUNK = 100

/** Queues the change requests of a range as they are made. */
export const proposeAndSubmit = Effect.fn("operations.proposeAndSubmit")(function* (input: ProposeInput) {
  const results: Submission[] = []
  const summary = yield* propose(input).pipe(
    Stream.grouped(CHUNK),
    Stream.runFoldEffect(NOTHING, (before, chunk) =>
      Effect.gen(function* () {
        const proposals = Array.from(chunk)
        const documents = proposals.map(
          (proposal, index): Document => ({
            kind: "change_request",
            index: before.proposed + index,
            where: proposal.revision,
            // The reader's own documents are plain JSON values; a change request is one.
            value: proposal.change_request as unknown as Record<string, unknown>,
          }),
        )
        results.push(...(yield* submit(documents, { supersede: false, dryRun: false, tasks: "open" })))
        return proposals.reduce(counted, before)
      }),
    ),
  )
  return { summary, results }
})

/** The uncommitted edits of a working tree as a document; null when there are none. */
export const proposeEdits = Effect.fn("operations.proposeEdits")(function* (input: ProposeWorktreeInput) {
  const proposal = yield* proposeWorktree(input)
  if (proposal === null) return null
  const document: Document = {
    kind: "change_request",
    index: 0,
    where: "working tree",
    // The reader's own documents are plain JSON values; a change request is one.
    value: proposal.change_request as unknown as Record<string, unknown>,
  }
  return { document, proposal }
})

export { type ProposeRange, parseRange } from "../intake/history.ts"
