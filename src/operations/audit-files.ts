import * as Effect from "effect/Effect"
import type { AuditReport } from "../audit/AuditService.ts"
import { LogReader } from "../audit/LogReader.ts"
import { type AuditFault, faultAt } from "../audit/ledger.ts"
import { isSegmentName, type LogRecord } from "../audit/segment.ts"
import { GENESIS_HASH } from "../domain/audit.ts"
import { InputUnreadable } from "../platform/read-input.ts"
import { isFolder, namesIn, openLineReader } from "../platform/segment-files.ts"

export interface FilesReport extends AuditReport {
  readonly files: number
  /** Contents whose hashes were checked. */
  readonly blobs: number
}

/** The files of an export (one) or of a folder of segments, in order. */
export const logFiles = Effect.fn("operations.logFiles")(function* (path: string) {
  if (!isFolder(path)) return [path]
  const names = (yield* namesIn(path)).filter(isSegmentName)
  if (names.length > 0) return names.map((name) => `${path}/${name}`)
  return yield* new InputUnreadable({ file: path, reason: "there are no segments in this folder" })
})

/** Records handed on at once. */
const RECORDS = 500

/**
 * Reads exported or shipped files to their end or to the first thing that does not fit; records are handed to `each` a
 * few at a time, after they were checked. It returns false to stop there.
 */
export const readLogFiles = Effect.fn("operations.readLogFiles")(function* <E, R>(
  files: readonly string[],
  each: (records: readonly LogRecord[]) => Effect.Effect<boolean, E, R>,
) {
  const reader = new LogReader()
  const readFile = Effect.fn("operations.readLogFile")(function* (file: string) {
    const lines = yield* openLineReader(file)
    const begun = reader.begin()
    if (begun !== null) return begun
    let records: LogRecord[] = []
    for (let line = yield* lines.next; line !== null; line = yield* lines.next) {
      const taken = reader.take(line)
      if ("code" in taken) {
        yield* each(records)
        return taken
      }
      records.push(taken)
      if (records.length < RECORDS) continue
      if (!(yield* each(records))) return "stopped" as const
      records = []
    }
    return (yield* each(records)) ? null : ("stopped" as const)
  })
  for (const file of files) {
    const ended = yield* Effect.scoped(readFile(file))
    if (ended === "stopped") return { reader, fault: null as AuditFault | null }
    if (ended !== null) return { reader, fault: ended }
  }
  return { reader, fault: reader.end() }
})

/** Verifies exported or shipped files without any database. `expectedHead` must be the hash of one of their rows. */
export const verifyFiles = Effect.fn("operations.verifyFiles")(function* (
  path: string,
  expectedHead: string | undefined,
) {
  const files = yield* logFiles(path)
  let headSeen = expectedHead === undefined || expectedHead === GENESIS_HASH
  const { reader, fault } = yield* readLogFiles(files, (records) =>
    Effect.sync(() => {
      if (records.some((record) => record.kind === "row" && record.row.hash === expectedHead)) headSeen = true
      return true
    }),
  )
  const { ledger, casts, blobs } = reader
  const lost = headSeen
    ? null
    : faultAt(
        "head",
        { seq: ledger.seq },
        "the expected head is not in the log: it was truncated or rewritten",
      )
  return {
    rows: ledger.seq,
    archived: reader.archived,
    casts,
    blobs,
    files: files.length,
    head: ledger.head,
    seq: ledger.seq,
    fault: fault ?? lost,
  } satisfies FilesReport
})
