import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type { QueueMetrics } from "../domain/records.ts"
import type { Span, Timespan } from "./spans.ts"

export interface ExporterShape {
  /** False: nobody asked for telemetry, and whoever would make spans leaves it. */
  readonly isOn: boolean
  /** Takes spans to be sent when there is time; never waits, never fails. */
  readonly spans: (spans: readonly Span[]) => void
  /** Takes the newest metrics document; the one before it need not have been sent. */
  readonly measured: (metrics: QueueMetrics) => void
}

const OFF: ExporterShape = { isOn: false, spans: () => {}, measured: () => {} }

/** Where spans and metrics go. Off unless `app-export.ts` puts a live one in its place. */
export class Exporter extends Context.Reference<Exporter>()("hyperion/telemetry/Exporter", {
  defaultValue: (): ExporterShape => OFF,
}) {}

/** The step as it is; where telemetry is on, the spans that `describe` makes of its end are sent. */
export const traced = <A, E, R>(
  step: Effect.Effect<A, E, R>,
  describe: (exit: Exit.Exit<A, E>, time: Timespan) => readonly Span[],
): Effect.Effect<A, E, R> =>
  Effect.flatMap(Exporter, (exporter) =>
    exporter.isOn
      ? Effect.flatMap(Clock.currentTimeNanos, (startNs) =>
          Effect.onExit(step, (exit) =>
            Clock.currentTimeNanos.pipe(
              Effect.map((endNs) => exporter.spans(describe(exit, { startNs, endNs }))),
              // A mistake in here must not become the step's.
              Effect.catchAllDefect(() => Effect.void),
            ),
          ),
        )
      : step,
  )

/** Why a step ended without a value, as a word: its error's tag, never its message. Null when it has one. */
export const errorOf = (exit: Exit.Exit<unknown, { readonly _tag: string }>): string | null => {
  if (Exit.isSuccess(exit)) return null
  const failure = Cause.failureOption(exit.cause)
  if (failure._tag === "Some") return failure.value._tag
  return Cause.isInterruptedOnly(exit.cause) ? "interrupted" : "defect"
}
