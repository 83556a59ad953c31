import type { Database as Sqlite } from "bun:sqlite"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import type { Millis } from "../domain/time.ts"
import { auditAppender } from "../platform/audit-append.sql.ts"
import { oldLogs, removeLog } from "../platform/guard-logs.ts"
import { GET_META, SET_META } from "../platform/meta.sql.ts"
import { META } from "../platform/meta-keys.ts"
import { isFolder } from "../platform/segment-files.ts"
import { CurrentWorkspace } from "../platform/Workspace.ts"
import { QueueService } from "../queue/QueueService.ts"
import {
  DROP_CHECKOUT,
  DROP_GUARD_RESULT,
  EMPTY_RUN,
  NAMED_LOGS,
  OLD_CHECKOUTS,
  OLD_GUARD_RESULTS,
  RUNS_AFTER,
  type RunStep,
} from "./cleanup.sql.ts"

/** Rows per transaction. */
const CHUNK = 100
/** Logs for each chunk of rows. */
const LOGS = 100

/** What was decided, and what failed, before these moments is not kept. */
export interface Cutoffs {
  readonly decided: Millis
  readonly failed: Millis
}

/** What else was swept. */
export interface Remains {
  /** Remembered guard results. */
  readonly guard_results: number
  readonly guard_logs: number
  /** Runs of agents whose prompt and answer went; that there was one stays. */
  readonly agent_runs: number
  /** Old checkouts whose folder is gone. */
  readonly checkouts: number
}

interface Chunk {
  readonly count: number
  readonly bytes: number
  readonly more: boolean
}

const NONE: Chunk = { count: 0, bytes: 0, more: false }

type Find = (db: Sqlite) => Chunk & { readonly take: () => void }

/** One chunk, and its row of the log, in one transaction; looked at first, so that an idle queue is only read. */
const sweepChunk = Effect.fnUntraced(function* (subject: string, actor: string, dryRun: boolean, find: Find) {
  const queue = yield* QueueService
  const found = yield* queue.read(find)
  if (dryRun) return { ...found, more: false }
  if (found.count === 0 && !found.more) return NONE
  return yield* queue.transact((db, at) => {
    const { take, ...chunk } = find(db)
    take()
    if (chunk.count > 0)
      auditAppender(db, at).append({
        event: "swept",
        actor,
        subject,
        data: { count: chunk.count, bytes: chunk.bytes },
      })
    return chunk
  })
})

const guardResults =
  ({ decided, failed }: Cutoffs, limit: number): Find =>
  (db) => {
    const rows = db
      .query<{ key: string; bytes: number }, [number, number, number]>(OLD_GUARD_RESULTS)
      .all(decided, failed, limit)
    return {
      ...summed(rows),
      more: rows.length === limit,
      take: () => {
        for (const { key } of rows) db.query(DROP_GUARD_RESULT).run(key)
      },
    }
  }

/** Every run is passed once: what its task landed explains a line of the branch until it is archived. */
const agentRuns =
  ({ failed }: Cutoffs, limit: number): Find =>
  (db) => {
    const cursor = Number(db.query<{ value: string }, [string]>(GET_META).get(META.sweptRuns)?.value ?? 0)
    const rows = db.query<RunStep, [number, number]>(RUNS_AFTER).all(cursor, limit)
    const young = rows.findIndex(({ started_at }) => started_at >= failed)
    const old = young < 0 ? rows : rows.slice(0, young)
    const gone = old.filter(({ kept, bytes }) => kept === 0 && bytes > 0)
    return {
      ...summed(gone),
      more: young < 0 && rows.length === limit,
      take: () => {
        for (const { id } of gone) db.query(EMPTY_RUN).run(id)
        const last = old.at(-1)?.id
        if (last !== undefined) db.query(SET_META).run(META.sweptRuns, String(last))
      },
    }
  }

const summed = (rows: readonly { readonly bytes: number }[]) => ({
  count: rows.length,
  bytes: rows.reduce((sum, { bytes }) => sum + bytes, 0),
})

const inChunks = Effect.fnUntraced(function* (subject: string, how: SweepHow, find: (limit: number) => Find) {
  let count = 0
  const limit = how.dryRun ? Number.MAX_SAFE_INTEGER : CHUNK
  for (let chunk = 0, more = true; more && chunk < how.chunks; chunk++) {
    const swept = yield* sweepChunk(subject, how.actor, how.dryRun, find(limit))
    count += swept.count
    more = swept.more
    if (more) yield* Effect.sleep(how.pauseMs)
  }
  return count
})

/** Old ones whose folder is gone: nothing can be amended from there. */
const checkouts = Effect.fnUntraced(function* ({ decided }: Cutoffs, { actor, dryRun }: SweepHow) {
  const queue = yield* QueueService
  const old = yield* queue.read((db) => db.query<{ directory: string }, [number]>(OLD_CHECKOUTS).all(decided))
  const gone = yield* Effect.sync(() => old.filter(({ directory }) => !isFolder(directory)).slice(0, CHUNK))
  if (gone.length === 0 || dryRun) return gone.length
  yield* queue.transact((db, at) => {
    for (const { directory } of gone) db.query(DROP_CHECKOUT).run(directory)
    const data = { count: gone.length, bytes: 0 }
    auditAppender(db, at).append({ event: "swept", actor, subject: "checkouts", data })
  })
  return gone.length
})

/** Said in the log first: a log that is then still there goes the next time. */
const guardLogs = Effect.fnUntraced(function* (before: Millis, { actor, dryRun, chunks }: SweepHow) {
  const { stateDir } = yield* CurrentWorkspace
  const queue = yield* QueueService
  const named = yield* queue.read(
    (db) =>
      new Set(
        db
          .query<{ hash: string }, []>(NAMED_LOGS)
          .all()
          .map(({ hash }) => hash),
      ),
  )
  const logs = yield* Effect.sync(() => oldLogs(join(stateDir, "logs"), before, named, LOGS * chunks))
  if (logs.length === 0 || dryRun) return logs.length
  yield* queue.transact((db, at) =>
    auditAppender(db, at).append({ event: "swept", actor, subject: "guard_logs", data: summed(logs) }),
  )
  yield* Effect.sync(() => {
    for (const log of logs) removeLog(log)
  })
  return logs.length
})

export interface SweepHow {
  readonly actor: string
  readonly dryRun: boolean
  /** Per kind. */
  readonly chunks: number
  readonly pauseMs: number
}

/**
 * What gathers beside entries: remembered guard results and runs of agents, by the retention of what they belong to.
 * `files` also looks through the folders: logs of guards, and checkouts that are gone.
 */
export const sweepRemains = Effect.fn("operations.sweepRemains")(function* (
  before: Cutoffs,
  how: SweepHow,
  { files }: { readonly files: boolean },
) {
  return {
    guard_results: yield* inChunks("guard_results", how, (limit) => guardResults(before, limit)),
    agent_runs: yield* inChunks("agent_runs", how, (limit) => agentRuns(before, limit)),
    checkouts: files ? yield* checkouts(before, how) : 0,
    guard_logs: files ? yield* guardLogs(Math.min(before.decided, before.failed), how) : 0,
  } satisfies Remains
})
