import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { ApplyService } from "../apply/ApplyService.ts"
import type { LandingFailed } from "../apply/errors.ts"
import type { ExchangeMode } from "../apply/LandingJournal.ts"
import type { ApplyPlan } from "../apply/plan.ts"
import type { GuardOutput } from "../domain/guard.ts"
import { LandingLock } from "../platform/LandingLock.ts"
import { claimProven } from "../queue/decide.ts"
import { freezeOf, freezeText } from "../queue/freeze.ts"
import type { Lease } from "../queue/lease.ts"
import { QueueService } from "../queue/QueueService.ts"
import { type Settlement, settleAll } from "../queue/settle.ts"
import { entryRow } from "../queue/transition.ts"
import { traced } from "../telemetry/Exporter.ts"
import { landingSpans } from "./attempt-spans.ts"
import type { Base } from "./base.ts"
import { type Evidence, gatherEvidence, keepEvidence } from "./evidence.ts"
import { type JournaledEntry, LandingBook } from "./LandingBook.ts"
import type { Candidacy } from "./plan.ts"
import { recoverOpen } from "./recover.ts"
import type { Happening } from "./report.ts"
import { StageKeeper } from "./StageKeeper.ts"
import { happening, receiptDraft, receiptOf, verificationOf } from "./settlements.ts"

export interface LandRequest {
  readonly base: Base
  /** In landing order; their approvals are all there. */
  readonly entries: readonly Candidacy[]
  /** Their commits; null when none changes anything. */
  readonly plan: ApplyPlan | null
  readonly outputs: GuardOutput[]
  readonly flags: readonly string[]
  /** `leased`: in_progress under our lease. `proven`: verified, claimed in the same transaction that begins the landing. */
  readonly from: "leased" | "proven"
}

export interface LandOutcome {
  readonly happenings: readonly Happening[]
}

/** Lands a chain with one move of the branch; the queue's states change in the journal's own transactions. */
export const landChain = (request: LandRequest) =>
  traced(chain(request), (exit, time) => landingSpans(request, exit, time))

const chain = Effect.fn("worker.landChain")(function* (request: LandRequest) {
  const { base, entries, plan } = request
  const { lease_seconds } = base.policy.policy.queue
  const turns = turnsOf(request, lease_seconds * 1_000, yield* gatherEvidence(base, entries))
  const queue = yield* QueueService
  if (plan === null) {
    yield* queue.transact((db, at) => {
      turns.begin(db, at)
      turns.done(db, at, "none")
    })
    const done = entries.filter((entry) => !turns.lost.has(entry))
    return { happenings: done.map((entry) => landed(entry, null, 1)) } satisfies LandOutcome
  }
  const lock = yield* LandingLock
  return yield* lock
    .exclusive(landLocked(request, plan, turns), LOCK_WAIT_MS)
    .pipe(Effect.catchTag("LandingBusy", (error) => hold(request, "landing_busy", error.message, entries)))
})

/** Another process's landing takes a moment; one that takes longer has a reason that is not ours to wait for. */
const LOCK_WAIT_MS = 10_000

const landLocked = Effect.fn("worker.landLocked")(function* (
  request: LandRequest,
  plan: ApplyPlan,
  turns: ReturnType<typeof turnsOf>,
) {
  const { base, entries } = request
  const first = entries[0]!.lease
  // Somebody who died in a landing holds the index lock yet, and may have left files half way.
  const { blocked } = yield* recoverOpen()
  if (blocked !== null) return yield* hold(request, "recovery_blocked", blocked, entries)
  // Said here, because the transaction that begins the landing only refuses.
  const freeze = yield* (yield* QueueService).read(freezeOf)
  if (freeze) return yield* hold(request, "frozen", freezeText(freeze), entries)
  const apply = yield* ApplyService
  const book = yield* LandingBook
  const stages = yield* StageKeeper
  const landingId = `${first.entry.id}-${first.token}-${plan.tip.slice(0, 12)}`
  const message = `hyperion: land ${entries.length === 1 ? first.cast.task_id : `${entries.length} entries`}`
  const stageDir = stages.dirOf(landingId)
  const mode = base.policy.policy.landing.mode === "worktree" ? "worktree" : "commit"
  const options = { landingId, branch: base.ref, durable: true, stageDir, mode, message } as const
  return yield* book.during(landingId, turns, apply.land(plan, options)).pipe(
    Effect.tap((result) => stages.keep(stageDir, result.displaced)),
    Effect.map((): LandOutcome => {
      const steps = mode === "commit" ? plan.steps : []
      const commits = new Map(steps.map((step) => [step.entryId, step.commit]))
      const together = request.outputs.length > 0 ? entries.length : 1
      return {
        happenings: entries.map((entry) => landed(entry, commits.get(idOf(entry)) ?? null, together)),
      }
    }),
    Effect.catchTags({
      LandingBlocked: (error) =>
        hold(request, `blocked_${error.reason}`, error.message, standingIn(entries, error.paths)),
      BaseMoved: (error) => release(request, error.message),
      LandingFailed: (error) =>
        error.outcome === "needs_recovery"
          ? recovered(request, error)
          : // Somebody took an entry away (cancelled, superseded, expired): the others land without it.
            hold(request, "landing_failed", error.message, turns.lost.size > 0 ? [...turns.lost] : entries),
    }),
  )
})

/** Neither finished nor undone: recovery may do better now than the landing itself did, else the next start will. */
const recovered = Effect.fn("worker.recovered")(function* (request: LandRequest, error: LandingFailed) {
  const { settled } = yield* Effect.mapError(recoverOpen(), () => error)
  const results = new Map(settled.map((one) => [one.entryId, one]))
  const all = request.entries.flatMap(({ lease }) => {
    const result = results.get(lease.entry.id)
    return result ? [{ lease, result }] : []
  })
  if (all.length < request.entries.length) return yield* error
  return {
    happenings: all.map(({ lease, result }) =>
      result.outcome === "finished"
        ? happening(lease, "landed", null, "landed, after its recovery", result.commit)
        : happening(lease, "blocked", "landing_failed", error.message),
    ),
  } satisfies LandOutcome
})

/** `together`: how many entries one run of the guards has proven as one tree. */
const landed = (entry: Candidacy, commit: string | null, together: number): Happening =>
  happening(
    entry.lease,
    "landed",
    null,
    commit !== null
      ? `landed as ${commit.slice(0, 12)}${together > 1 ? `, proven together with ${together - 1} more` : ""}`
      : entry.noop
        ? "it was there already"
        : "landed in the working tree",
    commit,
  )

/** What the queue is told at the landing's begin and end. */
const turnsOf = (request: LandRequest, leaseMs: number, evidence: Evidence) => {
  const { base, entries, plan, outputs, flags, from } = request
  const isCommit = base.policy.policy.landing.mode !== "worktree"
  const steps = new Map(plan?.steps.map((step, index) => [step.entryId, { step, index }]))
  // What is there already changes nothing of the tree that the steps before it left.
  let running: string = base.tree
  const trees = new Map(
    entries.map((entry) => {
      const before = running
      running = steps.get(idOf(entry))?.step.tree ?? before
      return [entry, { before, after: running }] as const
    }),
  )
  const treeAfter = (entry: Candidacy): string => trees.get(entry)?.after ?? base.tree
  const treeBefore = (entry: Candidacy): string => trees.get(entry)?.before ?? base.tree
  // Guards saw the tree that all of them make, and none of those on the way to it.
  const tip = plan?.tipTree ?? base.tree
  const isTogether = outputs.length > 0 && entries.length > 1
  const claims = new Map<number, Lease>()
  const lost = new Set<Candidacy>()
  const leaseOf = (entry: Candidacy): Lease => claims.get(entry.lease.entry.id) ?? entry.lease
  const commit = (db: Parameters<typeof settleAll>[0], at: number): readonly number[] => {
    if (from === "leased")
      return settleAll(
        db,
        entries.map(
          (entry): Settlement => ({
            to: "committing",
            lease: entry.lease,
            verification: verificationOf(entry, base, isTogether ? tip : treeAfter(entry), outputs, flags),
          }),
        ),
        at,
      ).lost
    return entries.flatMap(({ lease }) => {
      const claim = claimProven(db, lease.entry.id, lease.worker, at + leaseMs, at)
      if (claim) claims.set(lease.entry.id, claim)
      return claim ? [] : [lease.entry.id]
    })
  }
  const draftOf = (entry: Candidacy) =>
    receiptDraft({
      entry,
      baseTree: treeBefore(entry),
      resultTree: treeAfter(entry),
      verifiedAs: isTogether ? `batch ${tip}` : outputs.length > 0 ? tip : "unguarded",
      commit: isCommit ? (steps.get(idOf(entry))?.step.commit ?? null) : null,
      outputs,
      flags: isCommit ? flags : [...flags, "worktree"],
    })
  const begun = () => entries.filter((entry) => !lost.has(entry))
  return {
    /** Entries that turned out not to be ours any more when the landing began. */
    lost: lost as ReadonlySet<Candidacy>,
    begin: (db: Parameters<typeof settleAll>[0], at: number): readonly number[] => {
      const ids = commit(db, at)
      for (const entry of entries) if (ids.includes(entry.lease.entry.id)) lost.add(entry)
      const kept = new Set(begun().map(idOf))
      const effects = evidence.effects.filter(({ entryId }) => kept.has(String(entryId)))
      keepEvidence(db, { ...evidence, effects }, entries[0]!.lease.worker, at)
      return ids
    },
    done: (db: Parameters<typeof settleAll>[0], at: number, exchange: ExchangeMode): void => {
      // The weaker promise of a file system that cannot swap names is said where the promise is.
      const weaker = exchange === "fallback" ? ["exchange:fallback"] : []
      settleAll(
        db,
        begun().map(
          (entry): Settlement => ({
            to: "applied",
            lease: leaseOf(entry),
            receipt: (auditSeq) => {
              const draft = draftOf(entry)
              return receiptOf({ ...draft, flags: [...draft.flags, ...weaker] }, at, auditSeq)
            },
          }),
        ),
        at,
      )
    },
    entries: (): readonly JournaledEntry[] =>
      begun().map((entry) => {
        const { worker, token } = leaseOf(entry)
        return { id: entry.lease.entry.id, worker, token, receipt: draftOf(entry) }
      }),
    undone: (db: Parameters<typeof settleAll>[0], at: number): void => {
      const reason = { code: "landing_undone", text: "the landing was undone; nothing changed" }
      settleAll(
        db,
        begun().map((entry): Settlement => ({ to: "undone", lease: leaseOf(entry), reason })),
        at,
      )
    },
  }
}

const idOf = (entry: Candidacy): string => String(entry.lease.entry.id)

/** Those of a chain that touch a path somebody stands on; all of them where what is in the way is no path of theirs. */
const standingIn = (entries: readonly Candidacy[], paths: readonly string[]): readonly Candidacy[] => {
  const within = (path: string, folder: string) => path === folder || path.startsWith(`${folder}/`)
  const touching = entries.filter(({ change }) =>
    change.effects.some(({ path }) => paths.some((other) => within(path, other) || within(other, path))),
  )
  return touching.length > 0 ? touching : entries
}

/**
 * Proven, but it cannot land just now: it stays verified, no attempt used, and says what is in the way. The rest of the
 * chain is tried again without it.
 */
const hold = Effect.fn("worker.hold")(function* (
  request: LandRequest,
  code: string,
  text: string,
  held: readonly Candidacy[],
) {
  const queue = yield* QueueService
  const { base, entries, outputs, flags } = request
  const others = { code: "landing_apart", text: "something that was to land with it cannot land now" }
  yield* queue.transact((db, at) => {
    const leased = entries.filter(({ lease }) => isOurs(db, lease))
    settleAll(
      db,
      leased.map(
        (entry): Settlement =>
          held.includes(entry)
            ? {
                to: "verified",
                lease: entry.lease,
                verification: verificationOf(entry, base, request.plan?.tipTree ?? base.tree, outputs, flags),
                reason: { code, text },
              }
            : { to: "pending", lease: entry.lease, reason: others },
      ),
      at,
    )
  })
  // One that was withdrawn meanwhile keeps the reason it was withdrawn for.
  const waiting = yield* queue.read((db) =>
    held.filter(({ lease }) => entryRow(db, lease.entry.id)?.state === "verified"),
  )
  const ids = waiting.map(({ lease }) => lease.entry.id)
  yield* queue.explain(ids, { code, text })
  return {
    happenings: waiting.map(({ lease }) => happening(lease, "blocked", code, text)),
  } satisfies LandOutcome
})

/** Somebody committed first: everything is proven again on the new base, no attempt used. */
export const release = Effect.fn("worker.release")(function* (
  request: Pick<LandRequest, "entries">,
  text: string,
) {
  const queue = yield* QueueService
  const at = yield* Clock.currentTimeMillis
  const ids = request.entries.map(({ lease }) => lease.entry.id)
  yield* queue.transact((db) =>
    settleAll(
      db,
      request.entries
        .filter(({ lease }) => isOurs(db, lease))
        .map(({ lease }): Settlement => ({ to: "pending", lease, reason: { code: "base_moved", text } })),
      at,
    ),
  )
  yield* queue.baseMoved(ids, request.entries[0]!.lease.worker, { detail: text })
  // Another process may have landed them: then nothing waits.
  const waiting = yield* queue.read((db) =>
    request.entries.filter(({ lease }) => entryRow(db, lease.entry.id)?.state === "pending"),
  )
  return {
    happenings: waiting.map(({ lease }) => happening(lease, "waiting", "base_moved", text)),
  } satisfies LandOutcome
})

/** Still in_progress under this very lease. */
export const isOurs = (db: Parameters<typeof settleAll>[0], lease: Lease): boolean => {
  const row = entryRow(db, lease.entry.id)
  return row?.state === "in_progress" && row.lease_token === lease.token && row.lease_owner === lease.worker
}
