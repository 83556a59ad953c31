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
export const chainHash = (
  previous: string,
  row: AuditFields,
  /** `encodeCounts(row.counts)`, for whoever has it. */
  counts: string = encodeCounts(row.counts),
): string =>
  // One string and one call: a hasher fed field by field takes three times as long.
  sha256Hex(
    previous +
      ascii(String(row.seq)) +
      ascii(String(row.at)) +
      prefixed(row.event) +
      (row.entryId === null ? NULL : ascii(String(row.entryId))) +
      (row.entryPrevious === null ? NULL : ascii(String(row.entryPrevious))) +
      (row.subject === null ? NULL : prefixed(row.subject)) +
      prefixed(row.actor) +
      prefixed(row.data) +
      ascii(counts),
  )

const NULL = "-:"
const ascii = (field: string): string => `${field.length}:${field}`
const prefixed = (field: string): string => `${Buffer.byteLength(field)}:${field}`
