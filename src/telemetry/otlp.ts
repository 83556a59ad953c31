import type { Histogram } from "./distributions.ts"
import type { Family } from "./families.ts"
import type { Attributes, Span, SpanKind, Timespan } from "./spans.ts"

/** Who sends: the resource's attributes, and the version of the program that made the signals. */
export interface Sender {
  readonly resource: Attributes
  readonly version: string
}

type Value = Readonly<Record<string, string | number | boolean>>

/** OTLP's JSON has 64-bit integers as strings. */
const anyValue = (value: string | number | boolean): Value => {
  if (typeof value === "string") return { stringValue: value }
  if (typeof value === "boolean") return { boolValue: value }
  return Number.isSafeInteger(value) ? { intValue: String(value) } : { doubleValue: value }
}

const attributesOf = (attributes: Attributes) =>
  Object.entries(attributes).flatMap(([key, value]) =>
    value === null || value === undefined ? [] : [{ key, value: anyValue(value) }],
  )

const KINDS: Readonly<Record<SpanKind, number>> = {
  internal: 1,
  server: 2,
  client: 3,
  producer: 4,
  consumer: 5,
}
const STATUS_ERROR = 2
const DELTA = 1
const CUMULATIVE = 2

const scopeOf = ({ version }: Sender) => ({ name: "hyperion", version })
const resourceOf = ({ resource }: Sender) => ({ attributes: attributesOf(resource) })

const spanOf = (span: Span) => ({
  traceId: span.traceId,
  spanId: span.spanId,
  ...(span.parentId !== null && { parentSpanId: span.parentId }),
  name: span.name,
  kind: KINDS[span.kind],
  startTimeUnixNano: String(span.startNs),
  endTimeUnixNano: String(span.endNs),
  attributes: attributesOf({ ...span.attributes, "error.type": span.error }),
  status: span.error === null ? {} : { code: STATUS_ERROR },
})

/** The body of a request to `/v1/traces`. */
export const tracesJson = (sender: Sender, spans: readonly Span[]): string =>
  JSON.stringify({
    resourceSpans: [
      {
        resource: resourceOf(sender),
        scopeSpans: [{ scope: scopeOf(sender), spans: spans.map(spanOf) }],
      },
    ],
  })

/** Prometheus has the unit in the name, OpenTelemetry beside it. */
const named = (name: string): { readonly name: string; readonly unit: string } => ({
  name: `hyperion.${name.replace(/_(?:total|seconds)$/, "")}`,
  unit: name.endsWith("_seconds") ? "s" : "1",
})

const familyOf = (family: Family, atNs: bigint): readonly object[] => {
  const dataPoints = family.samples.flatMap(([labels, value]) =>
    value === null
      ? []
      : [
          {
            attributes: attributesOf(labels),
            timeUnixNano: String(atNs),
            ...(Number.isSafeInteger(value) ? { asInt: String(value) } : { asDouble: value }),
          },
        ],
  )
  if (dataPoints.length === 0) return []
  const about = { ...named(family.name), description: family.help }
  return family.type === "gauge"
    ? [{ ...about, gauge: { dataPoints } }]
    : [{ ...about, sum: { aggregationTemporality: CUMULATIVE, isMonotonic: true, dataPoints } }]
}

const histogramsOf = (histograms: readonly Histogram[], { startNs, endNs }: Timespan) =>
  [...Map.groupBy(histograms, ({ name }) => name).values()].map((series) => ({
    name: series[0]!.name,
    unit: series[0]!.unit,
    description: series[0]!.help,
    histogram: {
      aggregationTemporality: DELTA,
      dataPoints: series.map(({ attributes, bounds, buckets, count, sum }) => ({
        attributes: attributesOf(attributes),
        startTimeUnixNano: String(startNs),
        timeUnixNano: String(endNs),
        count: String(count),
        sum,
        bucketCounts: buckets.map(String),
        explicitBounds: bounds,
      })),
    },
  }))

/** The body of a request to `/v1/metrics`; null when there is nothing to say. `since`: the time of the histograms. */
export const metricsJson = (
  sender: Sender,
  newest: { readonly families: readonly Family[]; readonly atNs: bigint } | null,
  histograms: readonly Histogram[],
  since: Timespan,
): string | null => {
  const metrics = [
    ...(newest?.families.flatMap((family) => familyOf(family, newest.atNs)) ?? []),
    ...histogramsOf(histograms, since),
  ]
  if (metrics.length === 0) return null
  return JSON.stringify({
    resourceMetrics: [{ resource: resourceOf(sender), scopeMetrics: [{ scope: scopeOf(sender), metrics }] }],
  })
}
