import * as Effect from "effect/Effect"
import { judgeApprovals } from "../approval/rules.ts"
import { storedApprovals } from "../approval/stored.ts"
import { sensitivePaths } from "../domain/sensitive.ts"
import { parseVerificationBody } from "../domain/verification.ts"
import { payloadOf } from "../queue/lease.ts"
import { QueueService } from "../queue/QueueService.ts"
import { approvalsOf, listEntries, verificationOf } from "../queue/read.ts"
import { currentBase } from "./base.ts"

/** Entries looked at in one go. */
const CHUNK = 100

/**
 * Sends entries that wait for approvals the policy no longer asks for back to be proven on the present base. `judged`
 * remembers under which policy each was looked at, so that a look without news reads a few rows and writes none.
 */
export const rejudge = Effect.fn("worker.rejudge")(function* (worker: string, judged: Map<number, string>) {
  const queue = yield* QueueService
  const base = yield* currentBase()
  const { policy } = base.policy
  const key = base.policy.digest ?? ""
  const released = yield* queue.read((db) =>
    listEntries(db, { states: ["awaiting_approval"], limit: CHUNK }).flatMap((row) => {
      if (judged.get(row.id) === key) return []
      judged.set(row.id, key)
      const proof = verificationOf(db, row.id)
      const cast = payloadOf(db, row.id)
      const body = parseVerificationBody(proof?.body ?? "")
      if (proof === null || cast === null || !body.ok) return []
      const paths = body.value.effects.map((effect) => effect.path)
      const { satisfied } = judgeApprovals({
        policy,
        agent: [row.agent, cast.agent_id, cast.change_request.agent],
        paths,
        sensitive: sensitivePaths(paths, policy).map(({ path }) => path),
        digest: proof.approval_digest,
        checksum: row.checksum,
        exact: body.value.exact,
        approvals: storedApprovals(approvalsOf(db, { entryId: row.id })),
      })
      return satisfied ? [row.id] : []
    }),
  )
  if (released.length > 0) yield* queue.baseMoved(released, worker, { policy: base.policy.digest })
  return released.length > 0
})
