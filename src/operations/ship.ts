import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import { LogExport } from "../audit/LogExport.ts"
import { decodeRecord, encodeRecord, type Head, isSegmentName, segmentName } from "../audit/segment.ts"
import { GENESIS_HASH } from "../domain/audit.ts"
import { AUDIT_ROW, type AuditRow } from "../platform/audit.sql.ts"
import { type LineFile, namesIn, newLineFile, openLineReader } from "../platform/segment-files.ts"
import { QueueService } from "../queue/QueueService.ts"
import { type Beginning, logBeginning, logBegins } from "./log-beginning.ts"

/** The folder holds segments that do not continue into this log. Nothing was written. */
export class SegmentsForeign extends Data.TaggedError("SegmentsForeign")<{
  readonly folder: string
  readonly detail: string
}> {
  override get message(): string {
    return `the segments in ${this.folder} are not of this log: ${this.detail}`
  }
}

/** Rows of a segment: bounds what a lost one costs, and what is in memory. */
const SEGMENT_ROWS = 5_000
const ROWS_AT_ONCE = 500

/** The chain and its head as JSON lines, to `write`. */
export const exportLog = Effect.fn("operations.exportLog")(function* (write: (line: string) => void) {
  const log = yield* LogExport
  const hasher = new Bun.CryptoHasher("sha256")
  const line = (text: string) => {
    hasher.update(text).update("\n")
    write(text)
  }
  const begins = yield* logBegins()
  yield* logBeginning(begins, true, (records) =>
    Effect.sync(() => {
      for (const record of records) line(encodeRecord(record))
      return true
    }),
  )
  let { seq, hash } = begins
  for (;;) {
    const { records, last } = yield* log.rows({
      after: seq,
      until: Number.MAX_SAFE_INTEGER,
      limit: ROWS_AT_ONCE,
      chainOnly: true,
    })
    if (last === null) break
    for (const record of records) line(encodeRecord(record))
    seq = last.seq
    hash = last.hash
  }
  write(encodeRecord({ kind: "head", seq, hash, blobs: 0, sha256: hasher.digest("hex") }))
  return { rows: seq, head: hash }
})

export interface Shipped {
  readonly segments: readonly { readonly file: string; readonly from: number; readonly to: number }[]
  readonly seq: number
  readonly head: string
}

/** Appends what the log has and the folder has not, as segments of their own; repeated, it writes nothing. */
export const shipLog = Effect.fn("operations.shipLog")(function* (folder: string) {
  const queue = yield* QueueService
  const segments: { file: string; from: number; to: number }[] = []
  let head = yield* shippedHead(folder)
  const begins = yield* logBegins()
  if (head.seq > 0 && head.seq < begins.seq)
    return yield* new SegmentsForeign({
      folder,
      detail: `they end with row ${head.seq}, and this log is archived up to row ${begins.seq}`,
    })
  const known = yield* queue.read((db) => db.query<AuditRow, [number]>(AUDIT_ROW).get(head.seq))
  const isCut = head.seq === begins.seq && head.hash === begins.hash
  if (head.seq > 0 && !isCut && known?.hash !== head.hash)
    return yield* new SegmentsForeign({
      folder,
      detail:
        known === null
          ? `they end with row ${head.seq}, which this log does not have`
          : `row ${head.seq} is another one here`,
    })
  if (head.seq === 0 && begins.seq > 0) {
    const first = yield* Effect.scoped(writeBeginning(folder, begins))
    segments.push({ file: first.file, from: 1, to: first.head.seq })
    head = first.head
  }
  for (;;) {
    const next = yield* Effect.scoped(writeSegment(folder, head))
    if (next === null) break
    segments.push({ file: next.file, from: head.seq + 1, to: next.head.seq })
    head = next.head
  }
  return { segments, seq: head.seq, head: head.hash } satisfies Shipped
})

const NOTHING: Head = { kind: "head", seq: 0, hash: GENESIS_HASH, blobs: 0, sha256: "" }

/** Where the newest segment ends. */
const shippedHead = Effect.fn("operations.shippedHead")(function* (folder: string) {
  const newest = (yield* namesIn(folder)).filter(isSegmentName).at(-1)
  if (newest === undefined) return NOTHING
  const record = decodeRecord(yield* Effect.scoped(lastLine(`${folder}/${newest}`)))
  return record?.kind === "head"
    ? record
    : yield* new SegmentsForeign({ folder, detail: `${newest} ends without its head` })
})

const lastLine = Effect.fn("operations.lastLine")(function* (file: string) {
  const reader = yield* openLineReader(file)
  let last = ""
  for (let line = yield* reader.next; line !== null; line = yield* reader.next) last = line
  return last
})

/** The first segment of a folder for a log that begins behind a checkpoint. */
const writeBeginning = Effect.fn("operations.writeBeginning")(function* (folder: string, begins: Beginning) {
  const file = `${folder}/${segmentName(1, begins.seq)}`
  const lines = yield* newLineFile(file)
  lines.line(encodeRecord({ kind: "segment", version: 1, after: 0, previous: GENESIS_HASH }))
  yield* logBeginning(begins, false, (records) =>
    Effect.sync(() => {
      for (const record of records) lines.line(encodeRecord(record))
      return true
    }),
  )
  return { file, head: yield* finishSegment(lines, 0, begins) }
})

const writeSegment = Effect.fn("operations.writeSegment")(function* (folder: string, head: Head) {
  const log = yield* LogExport
  const rows: string[] = []
  let last: { seq: number; hash: string } = head
  while (last.seq < head.seq + SEGMENT_ROWS) {
    const read = yield* log.rows({
      after: last.seq,
      until: head.seq + SEGMENT_ROWS,
      limit: ROWS_AT_ONCE,
      chainOnly: false,
    })
    if (read.last === null) break
    rows.push(...read.records.map(encodeRecord))
    last = read.last
  }
  if (last.seq === head.seq) return null
  const file = `${folder}/${segmentName(head.seq + 1, last.seq)}`
  const lines = yield* newLineFile(file)
  lines.line(encodeRecord({ kind: "segment", version: 1, after: head.seq, previous: head.hash }))
  for (const row of rows) lines.line(row)
  return { file, head: yield* finishSegment(lines, head.blobs, last) }
})

/** The contents that came since, then the head. */
const finishSegment = Effect.fn("operations.finishSegment")(function* (
  lines: LineFile,
  blobsBefore: number,
  { seq, hash }: Beginning,
) {
  const blobs = yield* writeBlobs(lines, blobsBefore)
  const closing: Head = { kind: "head", seq, hash, blobs, sha256: lines.sha256() }
  lines.line(encodeRecord(closing))
  yield* lines.finish
  return closing
})

/** Those that came since the segment before: what this one's rows speak of is among them or was shipped. */
const writeBlobs = Effect.fn("operations.writeBlobs")(function* (lines: LineFile, after: number) {
  const log = yield* LogExport
  const until = yield* log.lastBlob
  for (let at = after; at < until; ) {
    const { records, next } = yield* log.blobs(at, until)
    for (const record of records) lines.line(encodeRecord(record))
    at = next
  }
  return until
})
