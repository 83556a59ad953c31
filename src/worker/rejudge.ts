import type { Database as Sqlite } from "bun:sqlite"
import * as Effect from "effect/Effect"
import { judgeApprovals } from "../approval/rules.ts"
import { storedApprovals } from "../approval/stored.ts"
import type { Policy } from "../domain/policy.ts"
import { sensitivePaths } from "../domain/sensitive.ts"
import { parseVerificationBody } from "../domain/verification.ts"
import { awaitingApproval } from "../queue/attention.ts"
import { payloadOf } from "../queue/lease.ts"
import { QueueService } from "../queue/QueueService.ts"
import type { EntryRow } from "../queue/queue.sql.ts"
import { approvalsOf, verificationOf } from "../queue/read.ts"
import { currentBase } from "./base.ts"

/** Entries looked at in one go. */
const CHUNK = 100

/** What a worker has looked at: nothing is new under the same policy and the same head of the log. */
export interface Judged {
  policy: string | null | undefined
  head: number
  /** By entry, the row of the log it was at when it was judged. */
  entries: Map<number, number>
}

export const nothingJudged = (): Judged => ({ policy: undefined, head: 0, entries: new Map() })

/**
 * Sends entries that wait for approvals the policy no longer asks for back to be proven on the present base. A look
 * without news reads the head of the log, and writes nothing. True when some were sent back.
 */
export const rejudge = Effect.fn("worker.rejudge")(function* (worker: string, judged: Judged) {
  const queue = yield* QueueService
  const { policy, digest } = (yield* currentBase()).policy
  const { seq } = yield* queue.head()
  if (judged.policy === digest && judged.head === seq) return false
  const known = judged.policy === digest ? judged.entries : new Map<number, number>()
  const seen = new Map<number, number>()
  for (let after = 0; ; ) {
    const rows = yield* queue.read((db) => awaitingApproval(db, after, CHUNK))
    const unjudged = rows.filter((row) => known.get(row.id) !== row.audit_seq)
    const released = yield* queue.read((db) => unjudged.filter((row) => waitsInVain(db, row, policy)))
    if (released.length > 0) {
      const ids = released.map(({ id }) => id)
      yield* queue.baseMoved(ids, worker, { policy: digest })
      return true
    }
    for (const row of rows) seen.set(row.id, row.audit_seq)
    const last = rows.at(-1)
    if (last === undefined || rows.length < CHUNK) break
    after = last.id
  }
  Object.assign(judged, { policy: digest, head: seq, entries: seen } satisfies Judged)
  return false
})

/** Whether waiting for a person is pointless: this policy asks for no more, or there is nothing to be approved. */
const waitsInVain = (db: Sqlite, row: EntryRow, policy: Policy): boolean => {
  const proof = verificationOf(db, row.id)
  // A queue rebuilt from its log knows that it was proven, not the proof: it is proven again.
  if (proof === null) return true
  const cast = payloadOf(db, row.id)
  const body = parseVerificationBody(proof.body)
  if (cast === null || !body.ok) return false
  const paths = body.value.effects.map((effect) => effect.path)
  return judgeApprovals({
    policy,
    agent: [row.agent, cast.agent_id, cast.change_request.agent],
    paths,
    sensitive: sensitivePaths(paths, policy).map(({ path }) => path),
    digest: proof.approval_digest,
    checksum: row.checksum,
    exact: body.value.exact,
    approvals: storedApprovals(approvalsOf(db, { entryId: row.id })),
  }).satisfied
}
