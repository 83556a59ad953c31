import * as Effect from "effect/Effect"
import { QueueService } from "../queue/QueueService.ts"
import { spanOf } from "./attempt-spans.ts"
import type { Base } from "./base.ts"
import { considerBatch, planOn } from "./consider.ts"
import { type LineWork, provenBy, type WorkerContext } from "./context.ts"
import type { Candidacy } from "./plan.ts"
import { prove, UNGUARDED } from "./prove.ts"
import { kept, type Pause, pauseOf } from "./sort.ts"
import { staysProven } from "./stay.ts"
import { notGreen } from "./verdicts.ts"

/**
 * The next entry that is to be proven on its own, to be run; null when it turned out to need none: it no longer fits, or
 * may land by now.
 */
export const nextProof = Effect.fn("worker.nextProof")(function* (
  context: WorkerContext,
  base: Base,
  { isLineFree }: { readonly isLineFree: boolean },
) {
  const queue = yield* QueueService
  const [lease] = yield* context.held.keepOurs(context.held.in("proofs").slice(0, 1))
  if (lease === undefined) return null
  const { ready, waiting, settlements, happenings } = yield* considerBatch([lease], base)
  if (settlements.length > 0 && !isLineFree) {
    // It may fit behind what is landing.
    context.held.move([lease], "line")
    return null
  }
  if (settlements.length > 0) yield* context.held.settling([lease], queue.settle(settlements))
  yield* context.take(happenings)
  const [entry] = [...ready, ...waiting]
  if (entry === undefined) return null
  const pause = pauseOf(entry, yield* staysProven(base))
  context.held.move([lease], pause === null ? "line" : "running")
  return pause && proveAlone(context, base, entry, pause)
})

/** Runs the guards on the tree that these entries make. Where nothing changes there is nothing to prove. */
export const proveTree = (
  { options }: WorkerContext,
  { base, entries, plan, from }: Pick<LineWork, "base" | "entries" | "plan" | "from">,
) =>
  plan === null
    ? Effect.succeed(UNGUARDED)
    : prove({
        ...provenBy(entries, base, options),
        candidate: { tree: plan.tipTree, base: base.commit, objects: plan.objects },
        baseTree: base.tree,
        solo: entries.length === 1,
        attempts: entries.map(({ lease }) => spanOf(lease, from)),
      })

/** Runs the guards on one entry; green, it waits with its proof for what is missing. */
const proveAlone = Effect.fn("worker.proveAlone")(function* (
  context: WorkerContext,
  base: Base,
  entry: Candidacy,
  pause: Pause,
) {
  const queue = yield* QueueService
  const plan = yield* planOn(base, [entry])
  if (!plan.ok) return yield* Effect.dieMessage("an entry that was considered does not fit the tree")
  const verdict = yield* proveTree(context, {
    base,
    entries: [entry],
    plan: plan.value,
    from: "leased",
  })
  const { settlement, happening } =
    verdict.kind === "green"
      ? yield* kept(entry, base, pause, verdict)
      : yield* notGreen(entry.lease, verdict, context.options)
  const { lost } = yield* context.held.settling([entry.lease], queue.settle([settlement]))
  if (lost.length === 0) yield* context.take([happening])
})
