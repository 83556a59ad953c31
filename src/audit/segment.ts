import type { AuditRow } from "../platform/audit.sql.ts"
import { visibleJson } from "../platform/sanitize.ts"
import type { ArchiveRow, Tombstone } from "./archive.sql.ts"
import type { BlobRow, CheckpointRow, EffectRow } from "./blob.sql.ts"

/** One line of an export or a shipped segment. */
export type LogRecord =
  | { readonly kind: "segment"; readonly version: 1; readonly after: number; readonly previous: string }
  /** A log that begins behind a checkpoint begins with these: its checkpoints, its archived entries, and what stayed. */
  | { readonly kind: "archived"; readonly archive: ArchiveRow }
  | { readonly kind: "tombstone"; readonly entry: Tombstone }
  | { readonly kind: "row"; readonly row: AuditRow }
  | { readonly kind: "cast"; readonly entry: number; readonly body: string }
  | { readonly kind: "receipt"; readonly entry: number; readonly body: string }
  | { readonly kind: "effects"; readonly entry: number; readonly effects: readonly EffectRow[] }
  | { readonly kind: "checkpoint"; readonly checkpoint: CheckpointRow }
  | { readonly kind: "blob"; readonly blob: BlobRow }
  | {
      readonly kind: "head"
      readonly seq: number
      readonly hash: string
      /** Row number of the newest blob shipped so far: the next segment goes on behind it. */
      readonly blobs: number
      /** Of all lines of this file before this one. */
      readonly sha256: string
    }

export type Head = Extract<LogRecord, { readonly kind: "head" }>

/** JSON on one line, the same bytes in a file and on a terminal; a blob's bytes as base64. */
export const encodeRecord = (record: LogRecord): string =>
  record.kind === "blob"
    ? JSON.stringify({
        kind: "blob",
        blob: { ...record.blob, data: Buffer.from(record.blob.data).toString("base64") },
      })
    : visibleJson(record, 0)

const KINDS: ReadonlySet<unknown> = new Set([
  "segment",
  "archived",
  "tombstone",
  "row",
  "cast",
  "receipt",
  "effects",
  "checkpoint",
  "blob",
  "head",
])

/** null when the line is none of ours. What its fields hold is checked where they are used. */
export const decodeRecord = (line: string): LogRecord | null => {
  try {
    const value = JSON.parse(line)
    if (typeof value !== "object" || value === null || !KINDS.has(value.kind)) return null
    if (value.kind === "blob")
      value.blob.data = new Uint8Array(Buffer.from(String(value.blob.data), "base64"))
    if (value.kind === "row" && typeof value.row?.data !== "string") return null
    if (value.kind === "archived" && typeof value.archive?.cut !== "number") return null
    if (value.kind === "tombstone" && typeof value.entry?.id !== "number") return null
    return value as LogRecord
  } catch {
    return null
  }
}

/** `segment-000000000001-000000005000.jsonl`: in the order of their names. */
export const segmentName = (from: number, to: number): string =>
  `segment-${String(from).padStart(12, "0")}-${String(to).padStart(12, "0")}.jsonl`

export const isSegmentName = (name: string): boolean => /^segment-\d{12}-\d{12}\.jsonl$/.test(name)
