import * as Effect from "effect/Effect"
import type { ChangeQueueLog } from "../domain/records.ts"
import type { Millis } from "../domain/time.ts"
import { QueueService } from "../queue/QueueService.ts"
import { recentAudit } from "../queue/read.ts"
import { entryRow } from "../queue/transition.ts"

/** The original's words for our events, where it had one. */
const MESSAGES: Readonly<Record<string, string>> = {
  leased: "dequeued",
  applied: "applied",
  failed: "failed",
  duplicate: "duplicate change request",
  expired: "ttl expired",
}

const LEVELS: Readonly<Record<string, ChangeQueueLog["level"]>> = {
  failed: "error",
  expired: "error",
  conflicted: "warn",
  foreign_edit: "warn",
  lease_reclaimed: "warn",
  retry_scheduled: "warn",
  undone: "warn",
  base_moved: "info",
}

/** Worker events in the original's ChangeQueueLog shape, oldest first: a view of the audit log, not a second log. */
export const workerLogs = Effect.fn("operations.workerLogs")(function* (
  since: Millis | undefined,
  limit: number,
) {
  const queue = yield* QueueService
  return yield* queue.read((db) =>
    recentAudit(db, { limit, ...(since !== undefined && { since }) })
      .reverse()
      .map(
        (row): ChangeQueueLog => ({
          id: row.seq,
          queue_id: row.entry_id,
          task_id: row.entry_id === null ? row.subject : (entryRow(db, row.entry_id)?.task_id ?? null),
          level: LEVELS[row.event] ?? "info",
          message: MESSAGES[row.event] ?? row.event.replaceAll("_", " "),
          details: { ...JSON.parse(row.data), actor: row.actor },
          created_at: Math.floor(row.at / 1000),
        }),
      ),
  )
})
