import * as Effect from "effect/Effect"
import type { Lease } from "../queue/lease.ts"
import { QueueService } from "../queue/QueueService.ts"
import { type Settlement, settleAll } from "../queue/settle.ts"
import { type Base, currentBase } from "./base.ts"
import { considerBatch, planOn } from "./consider.ts"
import { isOurs, landChain } from "./land.ts"
import type { TurnOptions } from "./options.ts"
import type { Candidacy } from "./plan.ts"
import { guardsFor, prove, UNGUARDED, type Verdict } from "./prove.ts"
import { staysProven } from "./proven.ts"
import { type Happening, IDLE, type Turn } from "./report.ts"
import { happening, verificationOf } from "./settlements.ts"
import { notGreen } from "./verdicts.ts"

/** Leases a batch, computes it in memory, proves it, and lands what is proven and approved. */
export const leasedTurn = Effect.fn("worker.leasedTurn")(function* (options: TurnOptions) {
  const queue = yield* QueueService
  const base = yield* currentBase()
  const { policy } = base.policy
  const leaseMs = policy.queue.lease_seconds * 1_000
  // With guards every entry is proven on its own; without them a whole chain lands in one move of the branch.
  const limit = policy.guards.length > 0 ? 1 : (options.limit ?? policy.queue.batch)
  const leases = yield* queue.lease(options.worker, leaseMs, limit, options.only)
  if (leases.length === 0) return IDLE
  const work = workOn(leases, base, options).pipe(
    Effect.onInterrupt(() => giveBack(leases, { code: "stopped", text: "the worker was stopped" })),
    Effect.tapError((error) => giveBack(leases, { code: "worker_error", text: error.message })),
  )
  const renewing = Effect.zipRight(Effect.sleep(leaseMs / 3), Effect.ignore(queue.renew(leases, leaseMs)))
  // In this very fiber, so that an interruption waits for what was given back before the database closes.
  return yield* Effect.scoped(Effect.zipRight(Effect.forkScoped(Effect.forever(renewing)), work))
})

/** Returns what is still ours, attempts uncharged: the change is not to blame for what happened to the worker. */
const giveBack = (leases: readonly Lease[], reason: { readonly code: string; readonly text: string }) =>
  Effect.ignore(
    Effect.flatMap(QueueService, (queue) =>
      queue.transact((db, at) =>
        settleAll(
          db,
          leases
            .filter((lease) => isOurs(db, lease))
            .map((lease): Settlement => ({ to: "pending", lease, reason })),
          at,
        ),
      ),
    ),
  )

const workOn = Effect.fn("worker.workOn")(function* (
  leases: readonly Lease[],
  base: Base,
  options: TurnOptions,
) {
  const queue = yield* QueueService
  const considered = yield* considerBatch(leases, base)
  const settlements: Settlement[] = [...considered.settlements]
  const happenings: Happening[] = [...considered.happenings]
  const [only] = [...considered.ready, ...considered.waiting]
  let verdict: Verdict = UNGUARDED
  // Guards apply to batches of one only: what they judge is the very tree that would land.
  if (only !== undefined && leases.length === 1) verdict = yield* proveEntry(only, base, options)
  if (only !== undefined && verdict.kind !== "green") {
    const settled = yield* notGreen(only.lease, verdict, options)
    yield* queue.settle([...settlements, settled.settlement])
    return { happenings: [...happenings, settled.happening], busy: true } satisfies Turn
  }
  const { outputs, flags } = verdict.kind === "green" ? verdict : UNGUARDED

  const keep = Effect.fn("worker.keepProven")(function* (
    entry: Candidacy,
    to: "awaiting_approval" | "verified",
    reason: { readonly code: string; readonly text: string },
  ) {
    const alone = yield* planOn(base, [entry])
    const tree = alone.ok ? (alone.value?.tipTree ?? base.tree) : base.tree
    const verification = verificationOf(entry, base, tree, outputs, flags)
    settlements.push({ to, lease: entry.lease, verification, reason })
  })
  for (const entry of considered.waiting) {
    const { missing } = entry.answer
    yield* keep(entry, "awaiting_approval", { code: "approval_missing", text: missing })
    happenings.push(happening(entry.lease, "waiting", "approval_missing", `waits for ${missing}`))
  }
  const stay = yield* staysProven(base)
  if (stay !== null)
    for (const entry of considered.ready) {
      const text = `it is proven and stays as it is: ${stay.text}`
      yield* keep(entry, "verified", { code: stay.code, text })
      happenings.push(happening(entry.lease, "waiting", stay.code, text))
    }
  if (settlements.length > 0) yield* queue.settle(settlements)
  if (stay !== null || considered.ready.length === 0) return { happenings, busy: true } satisfies Turn
  const { ready, plan } = considered
  const outcome = yield* landChain({ base, entries: ready, plan, outputs, flags, from: "leased" })
  return { happenings: [...happenings, ...outcome.happenings], busy: true } satisfies Turn
})

const proveEntry = Effect.fn("worker.proveEntry")(function* (
  entry: Candidacy,
  base: Base,
  options: TurnOptions,
) {
  const changedPaths = entry.change.effects.map((effect) => effect.path)
  const checks = options.runChecks ? entry.lease.cast.change_request.checks : []
  const { policy } = base.policy
  if (entry.noop || guardsFor({ policy, changedPaths, checks }).length === 0) return UNGUARDED
  const plan = yield* planOn(base, [entry])
  if (!plan.ok || plan.value === null) return UNGUARDED
  return yield* prove({
    policy,
    candidate: { tree: plan.value.tipTree, base: base.commit, objects: plan.value.objects },
    baseTree: base.tree,
    changedPaths,
    checks,
  })
})
