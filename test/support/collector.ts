import * as v from "valibot"

const Hex = (digits: number) => v.pipe(v.string(), v.regex(new RegExp(`^[0-9a-f]{${digits}}$`)))
const Nanos = v.pipe(v.string(), v.regex(/^[1-9]\d{18}$/))
const Count = v.pipe(v.string(), v.regex(/^\d+$/))
/** A 64-bit integer is a string in OTLP's JSON. */
const AnyValue = v.union([
  v.strictObject({ stringValue: v.string() }),
  v.strictObject({ boolValue: v.boolean() }),
  v.strictObject({ intValue: v.pipe(v.string(), v.regex(/^-?\d+$/)) }),
  v.strictObject({ doubleValue: v.number() }),
])
const Attribute = v.strictObject({ key: v.pipe(v.string(), v.minLength(1)), value: AnyValue })
const Resource = v.strictObject({ attributes: v.array(Attribute) })
const Scope = v.strictObject({ name: v.literal("hyperion"), version: v.string() })

const OtlpSpan = v.strictObject({
  traceId: Hex(32),
  spanId: Hex(16),
  parentSpanId: v.optional(Hex(16)),
  name: v.pipe(v.string(), v.minLength(1)),
  kind: v.picklist([1, 2, 3, 4, 5]),
  startTimeUnixNano: Nanos,
  endTimeUnixNano: Nanos,
  attributes: v.array(Attribute),
  status: v.strictObject({ code: v.optional(v.literal(2)) }),
})
const TracesRequest = v.strictObject({
  resourceSpans: v.array(
    v.strictObject({
      resource: Resource,
      scopeSpans: v.array(v.strictObject({ scope: Scope, spans: v.pipe(v.array(OtlpSpan), v.minLength(1)) })),
    }),
  ),
})

const Point = v.strictObject({
  attributes: v.array(Attribute),
  timeUnixNano: Nanos,
  asInt: v.optional(v.pipe(v.string(), v.regex(/^-?\d+$/))),
  asDouble: v.optional(v.number()),
})
const HistogramPoint = v.strictObject({
  attributes: v.array(Attribute),
  startTimeUnixNano: Nanos,
  timeUnixNano: Nanos,
  count: Count,
  sum: v.number(),
  bucketCounts: v.array(Count),
  explicitBounds: v.array(v.number()),
})
const about = { name: v.string(), unit: v.string(), description: v.string() }
const Metric = v.union([
  v.strictObject({ ...about, gauge: v.strictObject({ dataPoints: v.array(Point) }) }),
  v.strictObject({
    ...about,
    sum: v.strictObject({
      aggregationTemporality: v.literal(2),
      isMonotonic: v.literal(true),
      dataPoints: v.array(Point),
    }),
  }),
  v.strictObject({
    ...about,
    histogram: v.strictObject({ aggregationTemporality: v.literal(1), dataPoints: v.array(HistogramPoint) }),
  }),
])
const MetricsRequest = v.strictObject({
  resourceMetrics: v.array(
    v.strictObject({
      resource: Resource,
      scopeMetrics: v.array(v.strictObject({ scope: Scope, metrics: v.array(Metric) })),
    }),
  ),
})

export type Attributes = Readonly<Record<string, string | number | boolean>>

export interface SeenSpan {
  readonly traceId: string
  readonly spanId: string
  readonly parentId: string | null
  readonly name: string
  readonly kind: number
  readonly startNs: bigint
  readonly endNs: bigint
  readonly failed: boolean
  readonly attributes: Attributes
  readonly resource: Attributes
}

export interface SeenMetric {
  readonly name: string
  readonly unit: string
  readonly kind: "gauge" | "sum" | "histogram"
  readonly points: readonly { readonly attributes: Attributes; readonly value: number }[]
}

const plain = (attributes: readonly v.InferOutput<typeof Attribute>[]): Attributes => {
  const found: Record<string, string | number | boolean> = {}
  for (const { key, value } of attributes) {
    if (key in found) throw new Error(`attribute ${key} comes twice`)
    found[key] = "intValue" in value ? Number(value.intValue) : Object.values(value)[0]!
  }
  return found
}

const spansIn = (body: unknown): readonly SeenSpan[] =>
  v.parse(TracesRequest, body).resourceSpans.flatMap(({ resource, scopeSpans }) =>
    scopeSpans.flatMap(({ spans }) =>
      spans.map((span) => ({
        traceId: span.traceId,
        spanId: span.spanId,
        parentId: span.parentSpanId ?? null,
        name: span.name,
        kind: span.kind,
        startNs: BigInt(span.startTimeUnixNano),
        endNs: BigInt(span.endTimeUnixNano),
        failed: span.status.code === 2,
        attributes: plain(span.attributes),
        resource: plain(resource.attributes),
      })),
    ),
  )

const metricsIn = (body: unknown): readonly SeenMetric[] =>
  v.parse(MetricsRequest, body).resourceMetrics.flatMap(({ scopeMetrics }) =>
    scopeMetrics.flatMap(({ metrics }) =>
      metrics.map((metric): SeenMetric => {
        const { name, unit } = metric
        if ("histogram" in metric) {
          for (const { bucketCounts, explicitBounds, count } of metric.histogram.dataPoints) {
            const sum = bucketCounts.reduce((total, one) => total + Number(one), 0)
            if (bucketCounts.length !== explicitBounds.length + 1 || sum !== Number(count))
              throw new Error(`${name}: the buckets do not fit`)
          }
          const points = metric.histogram.dataPoints.map((point) => ({
            attributes: plain(point.attributes),
            value: Number(point.count),
          }))
          return { name, unit, kind: "histogram", points }
        }
        const { dataPoints } = "gauge" in metric ? metric.gauge : metric.sum
        const points = dataPoints.map(({ attributes, asInt, asDouble }) => {
          if ((asInt === undefined) === (asDouble === undefined)) throw new Error(`${name}: not one value`)
          return { attributes: plain(attributes), value: Number(asInt ?? asDouble) }
        })
        return { name, unit, kind: "gauge" in metric ? "gauge" : "sum", points }
      }),
    ),
  )

export interface Collector extends Disposable {
  readonly url: string
  readonly requests: { readonly path: string; readonly headers: Headers; readonly text: string }[]
  readonly spans: SeenSpan[]
  readonly metrics: SeenMetric[]
  /** The next request has come. */
  readonly next: () => Promise<void>
  /** What it could not read: empty unless the sender breaks OTLP. */
  readonly faults: unknown[]
}

/** An OTLP collector on a port of its own, strict about what it takes. `answer` overrules its answers. */
export const openCollector = (answer?: (path: string) => Response | Promise<Response>): Collector => {
  const requests: Collector["requests"] = []
  const spans: SeenSpan[] = []
  const metrics: SeenMetric[] = []
  const faults: unknown[] = []
  const waiting: (() => void)[] = []
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    fetch: async (request) => {
      const path = new URL(request.url).pathname
      const text = await request.text()
      requests.push({ path, headers: request.headers, text })
      try {
        if (request.method !== "POST" || request.headers.get("content-type") !== "application/json")
          throw new Error(`${request.method} of ${request.headers.get("content-type")}`)
        if (path.endsWith("/v1/traces")) spans.push(...spansIn(JSON.parse(text)))
        else if (path.endsWith("/v1/metrics")) metrics.push(...metricsIn(JSON.parse(text)))
        else throw new Error(`nobody asks for ${path}`)
      } catch (fault) {
        faults.push(fault)
      }
      for (const resolve of waiting.splice(0)) resolve()
      return answer?.(path) ?? Response.json({})
    },
  })
  return {
    url: `http://127.0.0.1:${server.port}`,
    requests,
    spans,
    metrics,
    faults,
    next: () => new Promise((resolve) => waiting.push(resolve)),
    [Symbol.dispose]: () => {
      server.stop(true)
    },
  }
}
