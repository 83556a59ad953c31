import { type Sent, type Span, sendSpan, type Timespan, validateSpan } from "../telemetry/spans.ts"
import type { Submission, SubmitOptions } from "./submit.ts"

/**
 * A cast's way into the queue, and the validation in it. `cast` is null when none was made: what has no task either has
 * no trace to belong to.
 */
export const sentSpans = (
  cast: Sent | null,
  { task_id, entry_id, outcome, violations }: Submission,
  prepared: Timespan,
  endNs: bigint,
  { parent, assignments }: SubmitOptions,
): readonly Span[] => {
  if (task_id === null) return []
  const request_id = assignments?.get(task_id)?.parent_request_id ?? task_id
  const error = violations[0]?.code ?? null
  const sent = sendSpan(
    parent ?? null,
    { startNs: prepared.startNs, endNs },
    { cast: cast ?? { request_id, task_id, cast_id: "" }, entryId: entry_id, outcome, error },
  )
  return [sent, validateSpan(sent, prepared, cast === null ? error : null)]
}
