import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type { Millis } from "../domain/time.ts"
import { toTimestamp } from "../domain/time.ts"
import { Database } from "../platform/Database.ts"
import { HumanPresence } from "../platform/HumanPresence.ts"
import { Operator } from "../platform/Operator.ts"
import { QueueService } from "../queue/QueueService.ts"
import { findOld, recordCleanup, type SweepKind, sweepCursor } from "../queue/sweep.ts"
import { dropModifications, hasOldModifications } from "../telemetry/modifications.ts"
import { currentBase } from "../worker/base.ts"
import { type Cutoffs, type Remains, sweepRemains } from "./cleanup-remains.ts"
import { refuseAgent } from "./presence.ts"

const DAY_MS: Millis = 86_400_000
/** Chunks per kind that an automatic cleanup takes before it lets others work. */
const AUTOMATIC_CHUNKS = 10
const AUTOMATIC_EVERY = "1 minute"
/** Between two chunks, so that those who wait for the write lock get it. */
const PAUSE_MS = 5

export interface CleanupOptions {
  /** Overrules the policy's retention of both kinds. */
  readonly ttlSeconds: number | undefined
  readonly dryRun: boolean
}

interface Tally {
  readonly entries: number
  readonly bytes: number
}

export interface CleanupReport extends Remains {
  readonly dry_run: boolean
  /** Landed, conflicting and cancelled entries, and failed ones, decided before these moments. */
  readonly decided_before: string
  readonly failed_before: string
  readonly decided: number
  readonly failed: number
  readonly payload_bytes: number
}

/** What is kept, by the policy that judges changes: nothing is swept by a policy that nobody trusted. */
const cutoffs = Effect.fn("operations.cleanupCutoffs")(function* (ttlSeconds: number | undefined) {
  const at = yield* Clock.currentTimeMillis
  if (ttlSeconds !== undefined) {
    const before = at - ttlSeconds * 1_000
    return { decided: before, failed: before } satisfies Cutoffs
  }
  const { queue } = (yield* currentBase()).policy.policy
  return {
    decided: at - queue.retention_days * DAY_MS,
    failed: at - queue.dead_letter_days * DAY_MS,
  } satisfies Cutoffs
})

const KINDS: readonly SweepKind[] = ["decided", "failed"]

/** One kind, chunk by chunk; up to `chunks` of them. */
const sweepKind = Effect.fn("operations.sweepKind")(function* (
  kind: SweepKind,
  before: Millis,
  actor: string,
  chunks: number,
) {
  const queue = yield* QueueService
  let tally: Tally = { entries: 0, bytes: 0 }
  for (let chunk = 0, more = true; more && chunk < chunks; chunk++) {
    const found = yield* queue.sweep({ kind, before, actor })
    tally = added(tally, found.entries)
    more = found.more
    if (more) yield* Effect.sleep(PAUSE_MS)
  }
  return tally
})

/** The same without writing anything. */
const countKind = Effect.fn("operations.countKind")(function* (kind: SweepKind, before: Millis) {
  const queue = yield* QueueService
  const at = yield* Clock.currentTimeMillis
  let tally: Tally = { entries: 0, bytes: 0 }
  let cursor = yield* queue.read((db) => sweepCursor(db, kind))
  for (let more = true; more; ) {
    const from = cursor
    const found = yield* queue.read((db) => findOld(db, { kind, before }, from, at))
    tally = added(tally, found.entries)
    cursor = found.cursor
    more = found.more
  }
  return tally
})

/** Records of changes in the working tree: those made before a moment, and more than are kept. */
const sweepModifications = Effect.fn("operations.sweepModifications")(function* (
  before: Millis,
  chunks: number,
) {
  const database = yield* Database
  let more = yield* database.read((db) => hasOldModifications(db, before))
  for (let chunk = 0; more && chunk < chunks; chunk++) {
    more = yield* database.write((db) => dropModifications(db, before))
    if (more) yield* Effect.sleep(PAUSE_MS)
  }
})

const added = (tally: Tally, entries: readonly { readonly bytes: number }[]): Tally => ({
  entries: tally.entries + entries.length,
  bytes: tally.bytes + entries.reduce((sum, { bytes }) => sum + bytes, 0),
})

const sweepAll = Effect.fn("operations.sweepAll")(function* (options: CleanupOptions) {
  const before = yield* cutoffs(options.ttlSeconds)
  const { name: actor } = yield* Operator
  const [decided, failed] = (yield* Effect.forEach(KINDS, (kind) =>
    options.dryRun
      ? countKind(kind, before[kind])
      : sweepKind(kind, before[kind], actor, Number.POSITIVE_INFINITY),
  )) as [Tally, Tally]
  const how = { actor, dryRun: options.dryRun, chunks: Number.POSITIVE_INFINITY, pauseMs: PAUSE_MS }
  const remains = yield* sweepRemains(before, how, { files: true })
  const report = {
    dry_run: options.dryRun,
    decided_before: toTimestamp(before.decided),
    failed_before: toTimestamp(before.failed),
    decided: decided.entries,
    failed: failed.entries,
    payload_bytes: decided.bytes + failed.bytes,
    ...remains,
  } satisfies CleanupReport
  if (!options.dryRun) {
    yield* sweepModifications(before.decided, Number.POSITIVE_INFINITY)
    const queue = yield* QueueService
    const { dry_run: _, ...data } = report
    yield* queue.transact((db, at) => recordCleanup(db, actor, data, at))
  }
  return report
})

/** Sweeps what is older than the policy keeps it; recorded also when it was nothing. */
export const cleanupDue = sweepAll({ ttlSeconds: undefined, dryRun: false })

/** The same, or what is older than `ttlSeconds`: to overrule the policy is a person's word, refused inside an agent. */
export const cleanup = Effect.fn("operations.cleanup")(function* (options: CleanupOptions) {
  if (options.ttlSeconds !== undefined && !options.dryRun)
    yield* refuseAgent(yield* (yield* HumanPresence).look())
  return yield* sweepAll(options)
})

const pass = Effect.fnUntraced(function* (files: boolean) {
  const before = yield* cutoffs(undefined)
  yield* sweepModifications(before.decided, AUTOMATIC_CHUNKS)
  for (const kind of KINDS) yield* sweepKind(kind, before[kind], "cleanup", AUTOMATIC_CHUNKS)
  const how = { actor: "cleanup", dryRun: false, chunks: AUTOMATIC_CHUNKS, pauseMs: PAUSE_MS }
  yield* sweepRemains(before, how, { files })
})

/**
 * A worker's share of the cleaning: a bounded one at once, and another every minute until its scope ends. What is wrong
 * with the policy or the repository is for the worker to say.
 */
export const automaticCleanup = Effect.zipRight(
  Effect.ignore(pass(true)),
  Effect.forkScoped(
    Effect.forever(Effect.zipRight(Effect.sleep(AUTOMATIC_EVERY), Effect.ignore(pass(false)))),
  ),
)
