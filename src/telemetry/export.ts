import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import type { Millis } from "../domain/time.ts"
import { type PostFailed, postJson } from "../platform/http-post.ts"
import { distributions } from "./distributions.ts"
import { Exporter } from "./Exporter.ts"
import { type Family, families } from "./families.ts"
import { isSampled, type OtelSettings, type Target } from "./otel-settings.ts"
import { metricsJson, type Sender, tracesJson } from "./otlp.ts"
import type { Span } from "./spans.ts"

/** Spans that wait for a collector, at most: some kilobytes each. Further ones are dropped, and counted. */
const MAX_QUEUE = 8_192
/** Spans in one request. */
const BATCH = 512
const EVERY_MS = 5_000
/** A collector that takes longer has not got it. */
const POST_MS = 10_000
/** What a command waits for a collector at its end, at most. */
const FLUSH_MS = 1_000

export interface ExportOptions {
  readonly settings: OtelSettings
  readonly sender: Sender
  /** Told once why something did not arrive. */
  readonly warn: (text: string) => void
  /** Time between two requests. */
  readonly everyMs?: Millis
}

const isRetryable = (status: number): boolean => status === 408 || status === 429 || status >= 500

/**
 * Sends what is measured to a collector, beside the work: every five seconds, and for at most a second at the end. A
 * collector that is slow, dead or of another mind costs signals, never a command.
 */
export const exporterLayer = ({
  settings,
  sender,
  warn,
  everyMs = EVERY_MS,
}: ExportOptions): Layer.Layer<never> =>
  Layer.scoped(
    Exporter,
    Effect.gen(function* () {
      const waiting: Span[] = []
      const histograms = distributions()
      let newest: { readonly families: readonly Family[]; readonly atNs: bigint } | null = null
      let sinceNs = yield* Clock.currentTimeNanos
      let dropped = 0
      let warned = false
      const wake = Effect.unsafeMakeLatch()
      const clock = yield* Effect.clock

      const failed = (reason: string) =>
        Effect.sync(() => {
          if (!warned) warn(`telemetry did not reach its collector: ${reason}`)
          warned = true
        })

      /** True when it is done with, for good or ill; false when the same may arrive later. */
      const post = (target: Target, body: string) =>
        postJson(target.url, target.headers, body).pipe(
          Effect.timeoutFail({ duration: POST_MS, onTimeout: () => ({ reason: "no answer" }) as PostFailed }),
          Effect.flatMap((status) =>
            status >= 200 && status < 300
              ? Effect.succeed(true)
              : Effect.as(failed(`it answered ${status}`), !isRetryable(status)),
          ),
          Effect.catchAll(({ reason }) => Effect.as(failed(reason), false)),
        )

      const sendTraces = Effect.gen(function* () {
        const { traces } = settings
        while (traces !== null && waiting.length > 0) {
          const batch = waiting.slice(0, BATCH)
          if (!(yield* post(traces, tracesJson(sender, batch)))) return false
          waiting.splice(0, batch.length)
        }
        return true
      })

      const sendMetrics = Effect.gen(function* () {
        const { metrics } = settings
        if (metrics === null) return true
        const endNs = yield* Clock.currentTimeNanos
        const body = metricsJson(sender, newest, histograms.take(), { startNs: sinceNs, endNs })
        newest = null
        sinceNs = endNs
        return body === null ? true : yield* post(metrics, body)
      })

      const flush = Effect.zip(sendTraces, sendMetrics, { concurrent: true })

      const lastFlush = flush.pipe(
        Effect.timeoutTo({
          duration: FLUSH_MS,
          onSuccess: () => Effect.void,
          onTimeout: () => failed("no answer within a second"),
        }),
        Effect.flatten,
        Effect.zipRight(
          Effect.suspend(() =>
            dropped > 0 ? failed(`${dropped} spans were more than could wait`) : Effect.void,
          ),
        ),
      )
      // Runs after the loop below was stopped, so that nothing is sent twice at a time. In a fiber of its own, because
      // this one may be on its way out by Ctrl-C, and what can be interrupted would be at once.
      yield* Effect.addFinalizer(() =>
        Effect.flatMap(Effect.forkDaemon(Effect.interruptible(lastFlush)), Fiber.await),
      )
      yield* Effect.gen(function* () {
        // After a failure not before its time: a full queue must not become a storm.
        yield* wake.close
        const [sent] = yield* flush
        yield* sent ? Effect.race(wake.await, Effect.sleep(everyMs)) : Effect.sleep(everyMs)
      }).pipe(Effect.forever, Effect.delay(everyMs), Effect.interruptible, Effect.forkScoped)

      return {
        isOn: true,
        spans: (spans) => {
          for (const span of spans) {
            histograms.add(span)
            if (settings.traces === null || !isSampled(span.traceId, settings.ratio)) continue
            if (waiting.length < MAX_QUEUE) waiting.push(span)
            else dropped++
          }
          if (waiting.length >= BATCH) wake.unsafeOpen()
        },
        measured: (metrics) => {
          newest = { families: families(metrics), atNs: clock.unsafeCurrentTimeNanos() }
        },
      }
    }),
  )
