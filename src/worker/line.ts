import * as Effect from "effect/Effect"
import type { Policy } from "../domain/policy.ts"
import { ok } from "../domain/result.ts"
import type { Lease } from "../queue/lease.ts"
import { QueueService } from "../queue/QueueService.ts"
import type { Settlement } from "../queue/settle.ts"
import { entryRow } from "../queue/transition.ts"
import { type Base, currentBase } from "./base.ts"
import { behind, planOn } from "./consider.ts"
import { isGuarded, type LineWork, rememberGreen, treeKey, type WorkerContext } from "./context.ts"
import { type Member, nextGroup, sized } from "./group.ts"
import { isOurs, landChain, release } from "./land.ts"
import type { Candidacy } from "./plan.ts"
import { proveTree } from "./proof.ts"
import type { Green, Verdict } from "./prove.ts"
import { kept, pauseOf, sortLine } from "./sort.ts"
import { type Stay, staysProven } from "./stay.ts"
import { notGreen } from "./verdicts.ts"

const memberOf = (entry: Candidacy): Member & { readonly entry: Candidacy } => ({
  id: entry.lease.entry.id,
  task: entry.lease.cast.task_id,
  dependsOn: entry.lease.cast.change_request.depends_on ?? [],
  paths: entry.change.effects.map(({ path }) => path),
  entry,
})

/** Those of a chain that land next: all of it without guards, else what one run of them is to prove. */
export const groupOf = (
  context: WorkerContext,
  ready: readonly Candidacy[],
  policy: Policy,
): readonly Candidacy[] =>
  policy.guards.length === 0
    ? ready
    : nextGroup(ready.map(memberOf), context.sizing, policy.queue.batch).map(({ entry }) => entry)

const heldBack = (lease: Lease): Settlement => ({
  to: "pending",
  lease,
  reason: { code: "held", text: "a person holds it" },
})

/** Leased entries that land next; null when none of those in the line can. */
export const leasedWork = Effect.fn("worker.leasedWork")(function* (context: WorkerContext, base: Base) {
  const queue = yield* QueueService
  const ours = yield* context.held.keepOurs(context.held.in("line"))
  const stopped = yield* queue.read((db) => ours.filter(({ entry }) => entryRow(db, entry.id)?.held === 1))
  if (stopped.length > 0) yield* context.held.settling(stopped, queue.settle(stopped.map(heldBack)))
  const leases = ours.filter((lease) => !stopped.includes(lease))
  if (leases.length === 0) return null
  const { ready, plan } = yield* sortLine(context, base, leases, { settle: true })
  if (ready.length === 0) return null
  const entries = groupOf(context, ready, base.policy.policy)
  const planned = entries.length === ready.length ? ok(plan) : yield* planOn(base, entries)
  if (!planned.ok) {
    // It fits the tree with the others before it, and without those that stay behind it does not.
    yield* context.held.settling([planned.error.lease], queue.settle([behind(planned.error.lease)]))
    return null
  }
  const work: LineWork = { base, entries, plan: planned.value, from: "leased", known: null }
  context.held.move(leasesOf(work), "running")
  return work
})

/** Proves and lands. */
export const runLine = Effect.fn("worker.runLine")(function* (context: WorkerContext, work: LineWork) {
  const { base, entries, known } = work
  if (work.plan === null && entries.some((entry) => !entry.noop))
    return yield* Effect.dieMessage("a landing without commits, of entries that change something")
  const verdict = known ?? (yield* proveTree(context, work))
  const isRun = known === null && isGuarded(entries, base, context.options)
  if (verdict.kind !== "green") return yield* notTogether(context, work, verdict)
  if (isRun) {
    context.sizing = sized(context.sizing, idsOf(work), true)
    // Much may have happened while they ran.
    const now = yield* currentBase()
    const stay = yield* staysProven(now)
    const isOther = now.policy.digest !== base.policy.digest || !(yield* areFree(work))
    if (isOther || (stay !== null && entries.length > 1)) return context.held.move(leasesOf(work), "line")
    if (stay !== null) return yield* stayAsItIs(context, work, stay, verdict)
    if (now.commit !== base.commit || now.tree !== base.tree) {
      const text = "the branch moved while the guards ran"
      const released = release({ entries }, text)
      return yield* context.take((yield* context.held.settling(leasesOf(work), released)).happenings)
    }
  }
  const { outputs, flags } = verdict
  const landing = landChain({ ...work, outputs, flags })
  const { happenings } = yield* context.held.settling(leasesOf(work), landing)
  if (isRun && happenings.some(({ outcome }) => outcome === "blocked"))
    rememberGreen(context, treeKey(base, work.plan), verdict)
  yield* context.take(happenings)
})

/** Whether all of them may still land: nobody has taken one away, or holds it. */
const areFree = ({ entries, from }: LineWork) =>
  Effect.flatMap(QueueService, (queue) =>
    queue.read((db) =>
      entries.every(({ lease }) => {
        const row = entryRow(db, lease.entry.id)
        return row?.held === 0 && (from === "leased" ? isOurs(db, lease) : row.state === "verified")
      }),
    ),
  )

/** Green, and nothing lands now: a leased entry waits with its proof, one that was proven before does so already. */
const stayAsItIs = Effect.fn("worker.stayAsItIs")(function* (
  context: WorkerContext,
  work: LineWork,
  stay: Stay,
  verdict: Green,
) {
  if (work.from === "proven") return
  const queue = yield* QueueService
  for (const entry of work.entries) {
    const { settlement, happening } = yield* kept(entry, work.base, pauseOf(entry, stay)!, verdict)
    yield* context.held.settling([entry.lease], queue.settle([settlement]))
    yield* context.take([happening])
  }
})

const idsOf = ({ entries }: LineWork): readonly number[] => entries.map(({ lease }) => lease.entry.id)

/** Its leases; proven entries have none before their landing begins. */
const leasesOf = ({ entries, from }: LineWork) => (from === "leased" ? entries.map(({ lease }) => lease) : [])

/** The sandbox is missing whatever is tried in it. */
const concernsAll = (verdict: Verdict): boolean =>
  verdict.kind === "infra" && verdict.code === "sandbox_unavailable"

/** One entry has its verdict; of several one must be found, and the others land without it. */
const notTogether = Effect.fn("worker.notTogether")(function* (
  context: WorkerContext,
  work: LineWork,
  verdict: Exclude<Verdict, Green>,
) {
  const queue = yield* QueueService
  const { entries, from, base } = work
  const ids = idsOf(work)
  context.sizing =
    // On a red base each is tried on its own: one of them may be what repairs it.
    verdict.kind === "base_red" ? { cap: 1, suspects: [] } : sized(context.sizing, ids, false)
  if (from === "proven") {
    // One that was green on its own, on another base: it is leased, and gets its verdict with what that says of it.
    if (entries.length === 1) yield* queue.baseMoved(ids, context.options.worker, { base: base.commit })
    return
  }
  if (entries.length > 1 && !concernsAll(verdict)) {
    const text = `${entries.length} entries together were not green: smaller groups are tried`
    yield* queue.explain(ids, { code: "bisecting", text })
    context.held.move(leasesOf(work), "line")
    return
  }
  const settled = yield* Effect.forEach(entries, ({ lease }) => notGreen(lease, verdict, context.options))
  const { lost } = yield* context.held.settling(
    leasesOf(work),
    queue.settle(settled.map(({ settlement }) => settlement)),
  )
  yield* context.take(
    settled.map(({ happening }) => happening).filter(({ entry_id }) => !lost.includes(entry_id)),
  )
})
