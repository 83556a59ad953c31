import * as Effect from "effect/Effect"
import type { AuditReport } from "../audit/AuditService.ts"
import { LogReader } from "../audit/LogReader.ts"
import { type AuditFault, faultAt } from "../audit/ledger.ts"
import { isSegmentName, type LogRecord } from "../audit/segment.ts"
import { GENESIS_HASH } from "../domain/audit.ts"
import { InputUnreadable } from "../platform/read-input.ts"
import { eachLine, isFolder, namesIn } from "../platform/segment-files.ts"

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

/**
 * Reads exported or shipped files to their end or to the first thing that does not fit; each record is handed to `each`
 * after it was checked. It returns false to stop there.
 */
export const readLogFiles = Effect.fn("operations.readLogFiles")(function* (
  files: readonly string[],
  each: (record: LogRecord) => boolean,
) {
  const reader = new LogReader()
  let fault: AuditFault | null = null
  let stopped = false
  for (const file of files) {
    if (fault !== null || stopped) break
    fault = reader.begin()
    if (fault !== null) break
    yield* eachLine(file, (line) => {
      const taken = reader.take(line)
      if ("code" in taken) {
        fault = taken
        return false
      }
      stopped = !each(taken)
      return !stopped
    })
  }
  fault ??= stopped ? null : reader.end()
  return { reader, fault }
})

/** Verifies exported or shipped files without any database. `expectedHead` must be the hash of one of their rows. */
export const verifyFiles = Effect.fn("operations.verifyFiles")(function* (
  path: string,
  expectedHead: string | undefined,
) {
  const files = yield* logFiles(path)
  let headSeen = expectedHead === undefined || expectedHead === GENESIS_HASH
  const { reader, fault } = yield* readLogFiles(files, (record) => {
    if (record.kind === "row" && record.row.hash === expectedHead) headSeen = true
    return true
  })
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
    casts,
    blobs,
    files: files.length,
    head: ledger.head,
    seq: ledger.seq,
    fault: fault ?? lost,
  } satisfies FilesReport
})
