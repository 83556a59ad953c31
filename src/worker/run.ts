import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type { Millis } from "../domain/time.ts"
import { Database } from "../platform/Database.ts"
import { QueueService } from "../queue/QueueService.ts"
import { depth } from "../queue/read.ts"
import { entryRow } from "../queue/transition.ts"
import { currentBase } from "./base.ts"
import { idleWaits } from "./idle.ts"
import type { TurnOptions } from "./options.ts"
import { provenTurn } from "./proven.ts"
import {
  type RecoveredEntry,
  type RecoveryReport,
  recoverAtStart,
  recoverBetweenTurns,
  type WaitingEntry,
} from "./recover.ts"
import { nothingJudged, rejudge } from "./rejudge.ts"
import type { Happening } from "./report.ts"
import { StageKeeper } from "./StageKeeper.ts"
import { leasedTurn } from "./turn.ts"

export interface WorkerOptions extends TurnOptions {
  /** `once`: until something happened to an entry; `drain`: until nothing is runnable; `forever`: until told to stop. */
  readonly mode: "once" | "drain" | "forever"
  readonly tell: (happening: Happening) => Effect.Effect<void>
  /** Told how long an idle worker waited before it looked again. */
  readonly waited?: ((ms: Millis) => void) | undefined
}

export interface WorkerSummary {
  readonly landed: number
  readonly waiting: number
  readonly conflict: number
  readonly failed: number
  readonly retry: number
  readonly blocked: number
  /** Entries that this run touched, by what became of them last. */
  readonly entries: readonly Happening[]
}

/** A blocked entry (dirty file, rebase in progress) is looked at again after this long, then after twice as long. */
const BLOCKED_MS: Millis = 2_000
const BLOCKED_MAX_MS: Millis = 10_000

/** Takes turns until the mode says stop. Proven entries go first: what is finished lands before something new begins. */
export const runWorker = Effect.fn("worker.run")(function* (options: WorkerOptions) {
  // Until it ends, no other version migrates the database under it.
  yield* (yield* Database).enter
  const queue = yield* QueueService
  const stages = yield* StageKeeper
  const last = new Map<number, Happening>()
  const blocked = blockedEntries(options.mode)
  const judged = nothingJudged()
  const take = Effect.fn("worker.take")(function* (happenings: readonly Happening[]) {
    for (const happening of happenings) {
      const before = last.get(happening.entry_id)
      last.set(happening.entry_id, happening)
      // A blocked entry is told once, not at every look.
      if (before?.outcome !== "blocked" || before.message !== happening.message)
        yield* options.tell(happening)
    }
  })

  const tellRecovered = Effect.fn("worker.tellRecovered")(function* ({ settled, waiting }: RecoveryReport) {
    const ids = [...settled, ...waiting].map(({ entryId }) => entryId)
    const rows = yield* queue.read((db) => ids.map((id) => entryRow(db, id)))
    const tasks = new Map(rows.flatMap((row) => (row ? [[row.id, row.task_id] as const] : [])))
    yield* take(settled.map((entry) => recoveredHappening(entry, tasks.get(entry.entryId) ?? "")))
    yield* take(waiting.map((entry) => waitingHappening(entry, tasks.get(entry.entryId) ?? "")))
  })

  yield* tellRecovered(yield* recoverAtStart())
  // A policy nobody trusts is said now, not with the first entry.
  yield* currentBase()
  const idle = yield* idleWaits(options.waited ?? (() => {}))
  for (;;) {
    yield* idle.mark
    yield* queue.maintain()
    yield* tellRecovered(yield* recoverBetweenTurns())
    yield* stages.sweep
    // The log's head says what there is, so that an idle look asks neither git nor the policy.
    const { counts } = yield* queue.head()
    if (counts.verified > 0) {
      const proven = yield* provenTurn(options, blocked.at(yield* Clock.currentTimeMillis))
      blocked.add(proven.blocked, yield* Clock.currentTimeMillis)
      yield* take(proven.happenings)
      if (options.mode === "once" && proven.happenings.length > 0) break
      if (proven.busy) continue
    }
    if (counts.pending > 0) {
      const leased = yield* leasedTurn(options)
      const held = leased.happenings.filter(({ outcome }) => outcome === "blocked")
      blocked.add(
        held.map(({ entry_id }) => entry_id),
        yield* Clock.currentTimeMillis,
      )
      yield* take(leased.happenings)
      if (options.mode === "once" && leased.happenings.length > 0) break
      if (leased.busy) continue
    }
    if (options.only === undefined && counts.awaiting_approval > 0)
      if (yield* rejudge(options.worker, judged)) continue
    if (options.mode !== "forever") break
    yield* idle.wait(depth(counts) === 0)
  }
  return summarise([...last.values()])
}, Effect.scoped)

/**
 * Entries whose landing was blocked: each is left out of the turns for a while, so that those behind it get theirs. A
 * run that ends by itself looks at each of them once.
 */
const blockedEntries = (mode: WorkerOptions["mode"]) => {
  const entries = new Map<number, { readonly until: Millis; readonly wait: Millis }>()
  return {
    at: (now: Millis): ReadonlySet<number> =>
      new Set([...entries].flatMap(([id, { until }]) => (until > now ? [id] : []))),
    add: (ids: readonly number[], now: Millis): void => {
      for (const [id, { until }] of entries) if (until + BLOCKED_MAX_MS < now) entries.delete(id)
      for (const id of ids) {
        const wait = Math.min(BLOCKED_MAX_MS, (entries.get(id)?.wait ?? BLOCKED_MS / 2) * 2)
        entries.set(id, { until: mode === "forever" ? now + wait : Number.POSITIVE_INFINITY, wait })
      }
    },
  }
}

const recoveredHappening = ({ entryId, outcome, commit, left }: RecoveredEntry, task: string): Happening => {
  const kept = left.length === 0 ? "" : `; kept as somebody else wrote them: ${left.join(", ")}`
  return {
    entry_id: entryId,
    task_id: task,
    outcome: outcome === "finished" ? "landed" : "waiting",
    commit,
    code: outcome === "finished" ? null : "landing_undone",
    message:
      outcome === "finished"
        ? `its landing, cut off by a crash, was finished${kept}`
        : `its landing, cut off by a crash, was undone${kept}`,
  }
}

const waitingHappening = ({ entryId, reason }: WaitingEntry, task: string): Happening => ({
  entry_id: entryId,
  task_id: task,
  outcome: "blocked",
  commit: null,
  code: "recovery_blocked",
  message: `its landing was cut off by a crash and waits to be recovered: ${reason}`,
})

const summarise = (entries: readonly Happening[]): WorkerSummary => {
  const count = (outcome: Happening["outcome"]) => entries.filter((entry) => entry.outcome === outcome).length
  return {
    landed: count("landed"),
    waiting: count("waiting"),
    conflict: count("conflict"),
    failed: count("failed"),
    retry: count("retry"),
    blocked: count("blocked"),
    entries,
  }
}
