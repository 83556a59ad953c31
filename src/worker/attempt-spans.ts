import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type { Lease } from "../queue/lease.ts"
import { Exporter, errorOf } from "../telemetry/Exporter.ts"
import {
  type Attempt,
  attemptContext,
  computeSpan,
  landSpan,
  processSpan,
  receiveSpan,
  type Span,
  type SpanContext,
  sendContext,
  type Timespan,
} from "../telemetry/spans.ts"
import type { LandOutcome, LandRequest } from "./land.ts"
import type { Happening } from "./report.ts"

const attemptOf = ({ cast, entry, token, attempt }: Lease): Attempt => ({
  cast,
  entryId: entry.id,
  token,
  attempt,
})

/** What a step about an entry belongs to: the attempt, or, of one that was proven before, its way into the queue. */
export const spanOf = (lease: Lease, from: "leased" | "proven"): SpanContext =>
  from === "leased" ? attemptContext(lease) : sendContext(lease.cast)

/** A change that landed or waits has gone well; for the others the happening says why not. */
const errorIn = (happening: Happening): string | null =>
  happening.outcome === "landed" || happening.outcome === "waiting"
    ? null
    : (happening.code ?? happening.outcome)

type Ended<A> = Exit.Exit<A, { readonly _tag: string }>

const outcomeOf = (entryId: number, exit: Ended<{ readonly happenings: readonly Happening[] }>) => {
  if (Exit.isFailure(exit)) return { outcome: "given_back", error: errorOf(exit), commit: null }
  const happening = exit.value.happenings.findLast((one) => one.entry_id === entryId)
  return happening === undefined
    ? { outcome: "lost", error: "lease_lost", commit: null }
    : { outcome: happening.outcome, error: errorIn(happening), commit: happening.commit }
}

/** The attempts of a worker, each from its lease to what became of it. */
export interface Attempts {
  readonly begin: (leases: readonly Lease[], time: Timespan) => void
  /** The first happening of an entry ends its attempt. */
  readonly end: (happenings: readonly Happening[]) => Effect.Effect<void>
}

/** Within the scope: what has no outcome when it ends, or is leased anew, was given back. */
export const traceAttempts = Effect.gen(function* () {
  const exporter = yield* Exporter
  if (!exporter.isOn) return { begin: () => {}, end: () => Effect.void } satisfies Attempts
  const open = new Map<number, { readonly lease: Lease; readonly startNs: bigint }>()
  const close = (id: number, endNs: bigint, outcome: string, error: string | null) => {
    const one = open.get(id)
    if (one === undefined) return
    open.delete(id)
    const { lease, startNs } = one
    exporter.spans([
      processSpan(attemptOf(lease), { startNs, endNs }, { worker: lease.worker, outcome, error }),
    ])
  }
  yield* Effect.addFinalizer(() =>
    Effect.map(Clock.currentTimeNanos, (endNs) => {
      for (const id of [...open.keys()]) close(id, endNs, "given_back", "interrupted")
    }),
  )
  return {
    begin: (leases, time) => {
      for (const lease of leases) {
        close(lease.entry.id, time.startNs, "given_back", null)
        open.set(lease.entry.id, { lease, startNs: time.startNs })
        exporter.spans([receiveSpan(attemptOf(lease), time, leases.length)])
      }
    },
    end: (happenings) =>
      Effect.map(Clock.currentTimeNanos, (endNs) => {
        for (const one of happenings) close(one.entry_id, endNs, one.outcome, errorIn(one))
      }),
  } satisfies Attempts
})

export const computedSpans = (leases: readonly Lease[], time: Timespan): readonly Span[] =>
  leases.map((lease) => computeSpan(attemptContext(lease), time, lease.cast.change_request.changes.length))

/** A chain lands as one; each of its entries has that in its own trace. */
export const landingSpans = (
  { base, entries, plan, from }: LandRequest,
  exit: Ended<LandOutcome>,
  time: Timespan,
): readonly Span[] =>
  entries.map(({ lease }) => {
    const { outcome, error, commit } = outcomeOf(lease.entry.id, exit)
    return landSpan(spanOf(lease, from), time, {
      entryId: lease.entry.id,
      branch: base.ref?.replace(/^refs\/heads\//, "") ?? null,
      base: base.commit,
      commit,
      chain: plan === null ? 0 : entries.length,
      outcome,
      error,
    })
  })
