import type { Database as Sqlite } from "bun:sqlite"
import * as Effect from "effect/Effect"
import { AuditService } from "../../src/audit/AuditService.ts"
import type { AuditRow } from "../../src/platform/audit.sql.ts"
import { Database } from "../../src/platform/Database.ts"
import { QueueService } from "../../src/queue/QueueService.ts"
import {
  aDecision,
  anItem,
  aWithdrawal,
  ENQUEUE,
  enqueued,
  LEASE_MS,
  landed,
  leased,
  settled,
} from "../support/queue.ts"

export const verify = (head?: string) => Effect.flatMap(AuditService, (audit) => audit.verify(head))
export const fault = Effect.map(verify(), (report) => report.fault)
export const sql = <A>(body: (db: Sqlite) => A) => Effect.flatMap(Database, (database) => database.read(body))
export const rows = sql((db) => db.query<AuditRow, []>("SELECT * FROM audit ORDER BY seq").all())

/** A queue with every kind of row in its log, each with something beside it that the log proves. */
export const busy = Effect.gen(function* () {
  const queue = yield* QueueService
  yield* landed({ taskId: "landed" })
  const approved = yield* enqueued({ taskId: "approved" })
  yield* settled(yield* leased(), "awaiting_approval")
  yield* queue.approve({ entryId: approved }, aDecision({ note: "fine", acknowledged: ["bun.lock"] }), true)
  yield* queue.approve({ requestId: "greeting" }, aDecision({ approver: "bob" }), false)
  yield* enqueued({ taskId: "failed" })
  yield* settled(yield* leased(), "failed")
  const rejected = yield* enqueued({ taskId: "rejected" })
  const lease = yield* leased()
  yield* queue.withdraw(
    rejected,
    aWithdrawal({ event: "rejected", decision: aDecision({ decision: "reject" }) }),
  )
  yield* queue.renew([lease], LEASE_MS)
  yield* enqueued({ taskId: "waiting" })
  yield* queue.enqueue([anItem({ taskId: "waiting" })], ENQUEUE)
  return { landed: 1, approved, failed: 3, rejected, waiting: 5 }
})
