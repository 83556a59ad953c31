import * as Effect from "effect/Effect"
import { QueueService } from "../queue/QueueService.ts"
import type { Base } from "./base.ts"
import { considerBatch, planOn } from "./consider.ts"
import type { Candidacy } from "./plan.ts"
import { prove, UNGUARDED } from "./prove.ts"
import { provenBy, type Shop } from "./shop.ts"
import { kept, type Pause, pauseOf } from "./sort.ts"
import { staysProven } from "./stay.ts"
import { notGreen } from "./verdicts.ts"

/**
 * The next entry that is to be proven on its own, as a job; null when it turned out to need none: it no longer fits, or
 * may land by now.
 */
export const nextProof = Effect.fn("worker.nextProof")(function* (shop: Shop, base: Base) {
  const queue = yield* QueueService
  const [lease] = shop.hands.in("proofs")
  if (lease === undefined) return null
  const { ready, waiting, settlements, happenings } = yield* considerBatch([lease], base)
  if (settlements.length > 0) yield* shop.hands.settling([lease], queue.settle(settlements))
  yield* shop.take(happenings)
  const [entry] = [...ready, ...waiting]
  if (entry === undefined) return null
  const pause = pauseOf(entry, yield* staysProven(base))
  shop.hands.move([lease], pause === null ? "line" : "job")
  return pause && proveAlone(shop, base, entry, pause)
})

/** Runs the guards on one entry; green, it waits with its proof for what is missing. */
const proveAlone = Effect.fn("worker.proveAlone")(function* (
  shop: Shop,
  base: Base,
  entry: Candidacy,
  pause: Pause,
) {
  const queue = yield* QueueService
  const plan = yield* planOn(base, [entry])
  // It no longer fits the shape of the tree: the line refuses it.
  if (!plan.ok) return shop.hands.move([entry.lease], "line")
  const verdict =
    plan.value === null
      ? UNGUARDED
      : yield* prove({
          ...provenBy([entry], base, shop.options),
          candidate: { tree: plan.value.tipTree, base: base.commit, objects: plan.value.objects },
          baseTree: base.tree,
          solo: true,
        })
  const { settlement, happening } =
    verdict.kind === "green"
      ? yield* kept(entry, base, pause, verdict)
      : yield* notGreen(entry.lease, verdict, shop.options)
  const { lost } = yield* shop.hands.settling([entry.lease], queue.settle([settlement]))
  if (lost.length === 0) yield* shop.take([happening])
})
