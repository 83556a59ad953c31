import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type { Presence } from "../domain/policy.ts"
import type { EntryRow } from "../queue/queue.sql.ts"
import { Exporter } from "../telemetry/Exporter.ts"
import { approvalSpan } from "../telemetry/spans.ts"

export interface Decided {
  /** The entry as it was before. */
  readonly row: EntryRow
  readonly presence: Presence
  readonly binds: "approval" | "intent" | "rejection"
}

/** What people decided, as spans: from when the entry asked for it. An intent is given before anybody waits. */
export const tellDecisions = (decisions: readonly Decided[]) =>
  Effect.flatMap(Exporter, (exporter) =>
    exporter.isOn
      ? Effect.map(Clock.currentTimeNanos, (endNs) =>
          exporter.spans(
            decisions.map(({ row, presence, binds }) => {
              const startNs = row.state === "awaiting_approval" ? BigInt(row.updated_at) * 1_000_000n : endNs
              const error = binds === "rejection" ? "rejected" : null
              return approvalSpan(row, { startNs, endNs }, { entryId: row.id, presence, binds, error })
            }),
          ),
        )
      : Effect.void,
  )
