import * as Effect from "effect/Effect"
import { LogExport } from "../audit/LogExport.ts"
import type { LogRecord } from "../audit/segment.ts"
import { GENESIS_HASH } from "../domain/audit.ts"

const RECORDS_AT_ONCE = 500

/** Where a log begins: row 0 of its first, or the cut of its newest checkpoint. */
export interface Beginning {
  readonly seq: number
  readonly hash: string
}

export const logBegins = Effect.fn("operations.logBegins")(function* () {
  const newest = (yield* (yield* LogExport).archives).at(-1)
  return { seq: newest?.cut ?? 0, hash: newest?.head ?? GENESIS_HASH } satisfies Beginning
})

/**
 * Hands over what a log behind a checkpoint begins with: its checkpoints, what stays of the archived entries, and the
 * rows of those that stayed. Nothing for a log that begins at its beginning. `each` returns false to stop.
 */
export const logBeginning = Effect.fn("operations.logBeginning")(function* <E, R>(
  { seq: cut }: Beginning,
  chainOnly: boolean,
  each: (records: readonly LogRecord[]) => Effect.Effect<boolean, E, R>,
) {
  if (cut === 0) return
  const log = yield* LogExport
  const archives = (yield* log.archives).filter((archive) => archive.cut <= cut)
  if (!(yield* each(archives.map((archive): LogRecord => ({ kind: "archived", archive }))))) return
  for (let after = 0; ; ) {
    const entries = yield* log.tombstones(after, RECORDS_AT_ONCE)
    if (entries.length === 0) break
    if (!(yield* each(entries.map((entry): LogRecord => ({ kind: "tombstone", entry }))))) return
    after = entries.at(-1)!.id
  }
  for (let after = Number.MIN_SAFE_INTEGER; ; ) {
    const { records, last } = yield* log.carried({ after, cut, limit: RECORDS_AT_ONCE, chainOnly })
    if (last === null) break
    if (!(yield* each(records))) return
    after = last.seq
  }
})
