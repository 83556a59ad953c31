import * as Effect from "effect/Effect"
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
export const proposeEach = <E, R>(
  input: ProposeInput,
  write: (proposal: Proposal) => Effect.Effect<void, E, R>,
) =>
  Effect.gen(function* () {
    let summary = NOTHING
    yield* propose(input, (proposal) => {
      summary = counted(summary, proposal)
      return write(proposal)
    })
    return summary
  })

/** Documents enqueued at once: bounds what is in memory. */
const CHUNK = 100

/** Queues the change requests of a range as they are made. */
export const proposeAndSubmit = Effect.fn("operations.proposeAndSubmit")(function* (input: ProposeInput) {
  const results: Submission[] = []
  let waiting: Document[] = []
  const flush = Effect.suspend(() => {
    const documents = waiting
    waiting = []
    return Effect.map(submit(documents, { supersede: false, dryRun: false, tasks: "open" }), (done) => {
      results.push(...done)
    })
  })
  const summary = yield* proposeEach(input, (proposal) => {
    waiting.push(documentOf(proposal, results.length + waiting.length))
    return waiting.length < CHUNK ? Effect.void : flush
  })
  yield* flush
  return { summary, results }
})

const documentOf = ({ revision, change_request }: Proposal, index: number): Document => ({
  kind: "change_request",
  index,
  where: revision,
  // The reader's own documents are plain JSON values; a change request is one.
  value: change_request as unknown as Record<string, unknown>,
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
