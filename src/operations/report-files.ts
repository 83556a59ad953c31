import * as Effect from "effect/Effect"
import { recordMetrics } from "./metrics.ts"
import { recordContext, requestOfEntry } from "./next-task.ts"

/**
 * Leaves `execution/next_task_context.json` and `execution/verification_report.json` as they are at the end of a command.
 * What was asked for has been done by then, and nothing takes that back. `touched`: the request it was about.
 */
export const reportRun = (touched: string | null) =>
  // In this order: the metrics repeat where the cast at hand stands.
  Effect.ignore(Effect.zipRight(Effect.ignore(recordContext(touched)), recordMetrics()))

/** The same after something was done about an entry. */
export const reportEntry = (entryId: number | null) =>
  Effect.ignore(Effect.flatMap(requestOfEntry(entryId), reportRun))
