import { encodeCounts, type StateCounts } from "./entry.ts"
import { sha256Hex } from "./hash.ts"
import type { Millis } from "./time.ts"

/** One row of the audit log before it is chained. `data` is canonical JSON text. */
export interface AuditFields {
  readonly seq: number
  readonly at: Millis
  readonly event: string
  readonly entryId: number | null
  /** The newest earlier row about the same entry: history is walked along it, so the log needs no second index. */
  readonly entryPrevious: number | null
  /** The request, task, file or setting it is about when there is no entry. */
  readonly subject: string | null
  readonly actor: string
  readonly data: string
  readonly counts: StateCounts
}

export const GENESIS_HASH = "0".repeat(64)

/**
 * `SHA-256(previous ‖ length-prefixed fields)`. The prefixes (bytes, decimal, `:`; `-:` for null) make the encoding
 * injective: no two different rows share a pre-image.
 */
export const chainHash = (previous: string, row: AuditFields): string => {
  // One string and one call: a hasher fed field by field takes three times as long.
  let text = previous
  for (const field of [
    String(row.seq),
    String(row.at),
    row.event,
    row.entryId === null ? null : String(row.entryId),
    row.entryPrevious === null ? null : String(row.entryPrevious),
    row.subject,
    row.actor,
    row.data,
    encodeCounts(row.counts),
  ]) {
    text += field === null ? "-:" : `${Buffer.byteLength(field)}:${field}`
  }
  return sha256Hex(text)
}
