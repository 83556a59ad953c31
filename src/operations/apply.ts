import * as Effect from "effect/Effect"
import type { CastPayload } from "../domain/cast.ts"
import type { FailureReport } from "../domain/receipt.ts"
import type { VerificationBody } from "../domain/verification.ts"
import type { Document } from "../intake/documents.ts"
import { Operator } from "../platform/Operator.ts"
import type { Lease } from "../queue/lease.ts"
import { QueueService } from "../queue/QueueService.ts"
import type { EntryRow } from "../queue/queue.sql.ts"
import { entryRow } from "../queue/transition.ts"
import { currentBase } from "../worker/base.ts"
import { considerBatch, planOn } from "../worker/consider.ts"
import { verificationBody } from "../worker/plan.ts"
import type { Happening } from "../worker/report.ts"
import { runWorker } from "../worker/run.ts"
import { castOf, type Submission, submit } from "./submit.ts"

/** What landing one document would do. The trees and commits are those a landing right now would make. */
export interface Preview {
  readonly task_id: string
  readonly fits: boolean
  readonly refusal: FailureReport | null
  readonly base: string | null
  readonly result_tree: string | null
  readonly approval_missing: string
  readonly verification: VerificationBody | null
}

/** Computes a landing with the very code that lands, and stops before anything is written. */
export const previewApply = Effect.fn("operations.previewApply")(function* (document: Document) {
  const made = yield* castOf(document, { tasks: "open", supersede: false, dryRun: true })
  if (!made.ok) return { submission: made.submission, preview: null }
  const base = yield* currentBase()
  const lease = unstored(made.cast)
  const { ready, waiting, plan, settlements } = yield* considerBatch([lease], base)
  const [entry] = [...ready, ...waiting]
  const refused = settlements.flatMap((settlement) => ("report" in settlement ? [settlement.report] : []))
  const own =
    plan ?? (entry ? yield* Effect.map(planOn(base, [entry]), (p) => (p.ok ? p.value : null)) : null)
  const preview: Preview = {
    task_id: made.cast.task_id,
    fits: entry !== undefined,
    refusal: refused[0] ?? null,
    base: base.commit,
    result_tree: entry === undefined ? null : (own?.tipTree ?? base.tree),
    approval_missing: entry?.answer.missing ?? "",
    verification: entry === undefined ? null : verificationBody(entry, [], [], base.policy.digest),
  }
  return { submission: null, preview }
})

/** A lease on nothing: an entry that is not in the queue, for the same preparation. */
const unstored = (cast: CastPayload): Lease => ({
  entry: { id: 0, agent: cast.agent_id, attempts: 0 } as EntryRow,
  cast,
  token: 0,
  worker: "dry-run",
  until: 0,
  attempt: 0,
})

export interface Applied {
  readonly submission: Submission
  readonly happening: Happening | null
  readonly state: EntryRow["state"] | null
}

/** Queues one document and works on it alone, now: validation, guards, approvals, journal, landing. */
export const applyNow = Effect.fn("operations.applyNow")(function* (
  document: Document,
  options: { readonly runChecks: boolean },
) {
  const queue = yield* QueueService
  const { processId } = yield* Operator
  const [submission] = yield* submit([document], { tasks: "open", supersede: false, dryRun: false })
  const id = submission!.entry_id
  if (id === null) return { submission: submission!, happening: null, state: null } satisfies Applied
  let happening: Happening | null = null
  yield* runWorker({
    worker: `apply-${processId}`,
    mode: "drain",
    only: id,
    runChecks: options.runChecks,
    tell: (told) =>
      Effect.sync(() => {
        happening = told
      }),
  })
  const row = yield* queue.read((db) => entryRow(db, id))
  return { submission: submission!, happening, state: row?.state ?? null } satisfies Applied
})
