import * as Effect from "effect/Effect"
import { ApplyService } from "../apply/ApplyService.ts"
import type { Recovery } from "../apply/recover.ts"
import type { CastPayload } from "../domain/cast.ts"
import { Failpoints } from "../platform/Failpoints.ts"
import { LandingLock } from "../platform/LandingLock.ts"
import type { Lease } from "../queue/lease.ts"
import { QueueService } from "../queue/QueueService.ts"
import { type Settlement, settleAll } from "../queue/settle.ts"
import { entryRow } from "../queue/transition.ts"
import { COMMITTING, DROP_LANDING, OPEN_LANDING_IDS, OPEN_LANDINGS, type OpenLanding } from "./journal.sql.ts"
import type { JournaledEntry, JournalRecord } from "./LandingBook.ts"
import { StageKeeper } from "./StageKeeper.ts"
import { receiptOf } from "./settlements.ts"

type Sqlite = Parameters<typeof settleAll>[0]

export interface RecoveredEntry {
  readonly entryId: number
  readonly outcome: "finished" | "undone"
  readonly commit: string | null
  /** Paths of its landing where somebody else's bytes were kept. */
  readonly left: readonly string[]
}

/** An entry whose landing could not be recovered yet, and why. */
export interface WaitingEntry {
  readonly entryId: number
  readonly reason: string
}

export interface RecoveryReport {
  readonly settled: readonly RecoveredEntry[]
  readonly waiting: readonly WaitingEntry[]
  /** Why a landing could not be recovered yet; null when none is open any more. */
  readonly blocked: string | null
}

const NOTHING: RecoveryReport = { settled: [], waiting: [], blocked: null }

/** The lease under which an entry went into `committing`: what settles it is fenced as its owner's writes were. */
const leaseFor = (db: Sqlite, entry: JournaledEntry): Lease | null => {
  const row = entryRow(db, entry.id)
  if (row === null) return null
  const { worker, token } = entry
  return { entry: row, worker, token, until: 0, attempt: row.attempts, cast: {} as CastPayload }
}

const keptText = (left: readonly string[]): string =>
  left.length === 0 ? "" : `; kept as somebody else wrote them: ${left.join(", ")}`

const settlementOf = (
  lease: Lease,
  entry: JournaledEntry,
  { outcome, left }: Recovery,
  at: number,
): Settlement =>
  outcome === "finished"
    ? {
        to: "applied",
        lease,
        receipt: (seq) =>
          receiptOf(
            {
              ...entry.receipt,
              flags: [...entry.receipt.flags, "recovered", ...(left.length > 0 ? ["foreign_edit_kept"] : [])],
            },
            at,
            seq,
          ),
      }
    : {
        to: "undone",
        lease,
        reason: {
          code: "landing_undone",
          text: `the process died in the landing, which was undone${keptText(left)}`,
        },
      }

/** Entries that are committing although no landing is open, their lease over: nobody is going to land them. */
const undoStranded = (db: Sqlite, at: number): readonly number[] => {
  const rows = db.query<{ id: number; leased_until: number }, []>(COMMITTING).all()
  const due = rows.filter((row) => row.leased_until < at)
  if (due.length === 0) return []
  const open = new Set(
    db
      .query<OpenLanding, []>(OPEN_LANDINGS)
      .all()
      .flatMap(({ record }) => (JSON.parse(record) as JournalRecord).entries.map(({ id }) => id)),
  )
  const stranded = due.filter(({ id }) => !open.has(id)).map(({ id }) => entryRow(db, id)!)
  const reason = { code: "landing_undone", text: "its lease ran out before the landing began" }
  settleAll(
    db,
    stranded.map((row): Settlement => {
      const [worker, token] = [row.lease_owner ?? "", row.lease_token]
      const lease = { entry: row, worker, token, until: 0, attempt: row.attempts, cast: {} as CastPayload }
      return { to: "undone", lease, reason }
    }),
    at,
  )
  return stranded.map(({ id }) => id)
}

/**
 * Finishes or undoes every landing whose process died in it, and settles its entries in the transaction that closes
 * it. Only under the landing lock: whoever is landing is alive, and holds it.
 */
export const recoverOpen = Effect.fn("worker.recoverOpen")(function* () {
  const queue = yield* QueueService
  const rows = yield* queue.read((db) => db.query<OpenLanding, []>(OPEN_LANDINGS).all())
  if (rows.length === 0) return NOTHING
  const apply = yield* ApplyService
  const stages = yield* StageKeeper
  let blocked: string | null = null
  const waiting: WaitingEntry[] = []
  const recovered: {
    readonly row: OpenLanding
    readonly record: JournalRecord
    readonly recovery: Recovery
  }[] = []
  for (const row of rows) {
    const record = readRecord(row)
    if (record === null) {
      blocked = `row ${row.id} of the landing journal cannot be read: hyperion audit verify`
      continue
    }
    const recovery = yield* apply.recover(record.landing)
    if (recovery.outcome === "blocked") {
      const ids = record.entries.map(({ id }) => id)
      blocked = `the landing of entry ${ids.join(", ")} is not recovered yet: ${recovery.reason}`
      for (const entryId of ids) waiting.push({ entryId, reason: recovery.reason })
      yield* queue.explain(ids, { code: "recovery_blocked", text: recovery.reason })
    } else recovered.push({ row, record, recovery })
  }
  ;(yield* Failpoints).pass("recovery.settle")
  // One transaction for all of them: each would wait for the disk on its own.
  yield* queue.transact((db, at) => {
    for (const { row, record, recovery } of recovered) {
      const settlements = record.entries.flatMap((entry) => {
        const lease = leaseFor(db, entry)
        return lease ? [settlementOf(lease, entry, recovery, at)] : []
      })
      settleAll(db, settlements, at)
      db.query(DROP_LANDING).run(row.id)
    }
  })
  const settled: RecoveredEntry[] = []
  for (const { record, recovery } of recovered) {
    const { outcome, left } = recovery
    if (record.landing.worktree !== null) yield* stages.keep(record.landing.worktree.stageDir, [])
    for (const { id, receipt } of record.entries) {
      const commit = outcome === "finished" ? receipt.commit : null
      settled.push({ entryId: id, outcome: outcome === "finished" ? outcome : "undone", commit, left })
    }
  }
  return { settled, waiting, blocked } satisfies RecoveryReport
})

const readRecord = ({ record }: OpenLanding): JournalRecord | null => {
  try {
    const parsed = JSON.parse(record) as JournalRecord
    return parsed.version === 1 ? parsed : null
  } catch {
    return null
  }
}

/** Is a landing open? Asked often, and only read. */
export const hasOpenLandings = Effect.fn("worker.hasOpenLandings")(function* () {
  const queue = yield* QueueService
  return yield* queue.read((db) => db.query<{ id: string }, []>(OPEN_LANDING_IDS).get() !== null)
})

/**
 * At a worker's start: recovery, then everything that dead landings left lying about. Whoever lands at this moment is
 * left alone, and so is what they leave, until the next start.
 */
export const recoverAtStart = Effect.fn("worker.recoverAtStart")(function* () {
  const queue = yield* QueueService
  const apply = yield* ApplyService
  const stages = yield* StageKeeper
  const lock = yield* LandingLock
  const body = Effect.gen(function* () {
    const report = yield* recoverOpen()
    yield* queue.transact((db, at) => undoStranded(db, at))
    const ids = yield* queue.read((db) => db.query<{ id: string }, []>(OPEN_LANDING_IDS).all())
    if (ids.length === 0) yield* stages.sweepOrphans
    yield* Effect.ignore(apply.tidy(new Set(ids.map(({ id }) => id))))
    return report
  })
  return yield* lock
    .exclusive(body, START_WAIT_MS)
    .pipe(Effect.catchTag("LandingBusy", () => Effect.succeed(NOTHING)))
})

const START_WAIT_MS = 2_000

/** Between turns: recovers what another process left open by dying, unless somebody is landing right now. */
export const recoverBetweenTurns = Effect.fn("worker.recoverBetweenTurns")(function* () {
  if (!(yield* hasOpenLandings())) return NOTHING
  const lock = yield* LandingLock
  return yield* lock
    .exclusive(recoverOpen(), 0)
    .pipe(Effect.catchTag("LandingBusy", () => Effect.succeed(NOTHING)))
})
