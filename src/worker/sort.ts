import * as Effect from "effect/Effect"
import type { Lease } from "../queue/lease.ts"
import { QueueService } from "../queue/QueueService.ts"
import type { Settlement } from "../queue/settle.ts"
import { traced } from "../telemetry/Exporter.ts"
import { computedSpans } from "./attempt-spans.ts"
import type { Base } from "./base.ts"
import { considerBatch, planOn } from "./consider.ts"
import { isGuarded, type WorkerContext } from "./context.ts"
import type { Candidacy } from "./plan.ts"
import { type Green, UNGUARDED } from "./prove.ts"
import type { Happening } from "./report.ts"
import { happening, verificationOf } from "./settlements.ts"
import { type Stay, staysProven } from "./stay.ts"

/** Why a proven entry does not land at once. */
export interface Pause {
  readonly to: "awaiting_approval" | "verified"
  readonly code: string
  readonly text: string
}

/** What keeps this entry, once it is proven, from landing; null when nothing does. */
export const pauseOf = (entry: Candidacy, stay: Stay | null): Pause | null => {
  const { satisfied, missing } = entry.answer
  if (!satisfied) return { to: "awaiting_approval", code: "approval_missing", text: `waits for ${missing}` }
  return stay && { to: "verified", code: stay.code, text: `it is proven and stays as it is: ${stay.text}` }
}

/** Stores the proof of an entry on its own, and where it waits with it. */
export const kept = Effect.fn("worker.kept")(function* (
  entry: Candidacy,
  base: Base,
  { to, code, text }: Pause,
  { outputs, flags }: Green,
) {
  const alone = yield* planOn(base, [entry])
  const tree = alone.ok ? (alone.value?.tipTree ?? base.tree) : base.tree
  const verification = verificationOf(entry, base, tree, outputs, flags)
  const reason = { code, text: to === "awaiting_approval" ? entry.answer.missing : text }
  const settlement: Settlement = { to, lease: entry.lease, verification, reason }
  return { settlement, happening: happening(entry.lease, "waiting", code, text) }
})

/**
 * Computes leases on the base. What does not fit is settled, what may not land yet goes to be proven on its own (or is
 * settled, when no guard has anything to say), and the rest, in the line, is what can land as one chain. With
 * `settle: false`, while something else is landing, nothing is refused: it may fit afterwards.
 */
export const sortLine = Effect.fn("worker.sortLine")(function* (
  context: WorkerContext,
  base: Base,
  leases: readonly Lease[],
  { settle }: { readonly settle: boolean },
) {
  const queue = yield* QueueService
  const considered = yield* traced(considerBatch(leases, base), (_, time) =>
    settle ? computedSpans(leases, time) : [],
  )
  const settlements: Settlement[] = settle ? [...considered.settlements] : []
  const happenings: Happening[] = settle ? [...considered.happenings] : []
  const stay = yield* staysProven(base)
  const ready: Candidacy[] = []
  for (const entry of [...considered.ready, ...considered.waiting]) {
    const pause = pauseOf(entry, stay)
    if (pause === null) ready.push(entry)
    else if (isGuarded([entry], base, context.options)) context.held.move([entry.lease], "proofs")
    else {
      const proven = yield* kept(entry, base, pause, UNGUARDED)
      settlements.push(proven.settlement)
      happenings.push(proven.happening)
    }
  }
  if (settlements.length > 0)
    yield* context.held.settling(
      settlements.map(({ lease }) => lease),
      queue.settle(settlements),
    )
  yield* context.take(happenings)
  return { ready, plan: considered.plan }
})
