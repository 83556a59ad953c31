import type { Attributes, Span } from "./spans.ts"

/** Values measured since the last time they were taken, in buckets. */
export interface Histogram {
  readonly name: string
  readonly unit: string
  readonly help: string
  readonly bounds: readonly number[]
  readonly attributes: Attributes
  /** One more than `bounds`: the last one is of what lies above all. */
  readonly buckets: readonly number[]
  readonly count: number
  readonly sum: number
}

interface Measure {
  readonly name: string
  readonly unit: string
  readonly help: string
  readonly bounds: readonly number[]
}

const SECONDS = [0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 300, 600] as const
const TOKENS = [1, 4, 16, 64, 256, 1_024, 4_096, 16_384, 65_536, 262_144, 1_048_576] as const

const seconds = (name: string, help: string): Measure => ({ name, unit: "s", help, bounds: SECONDS })
const PROCESS = seconds("messaging.process.duration", "Time a worker had an entry")
const PIPELINE = seconds("cicd.pipeline.run.duration", "Time the guards of one attempt took")
const GUARD = seconds("hyperion.guard.duration", "Time one guard took")
const AGENT = seconds("gen_ai.client.operation.duration", "Time an agent took to answer")
const USAGE: Measure = {
  name: "gen_ai.client.token.usage",
  unit: "{token}",
  help: "Tokens of one answer",
  bounds: TOKENS,
}

type Sample = readonly [measure: Measure, value: number, attributes: Attributes]

const pick = (span: Span, ...names: readonly string[]): Attributes =>
  Object.fromEntries(names.map((name) => [name, span.attributes[name]]))

/** What a span says beside itself. Ids of requests and entries are left out: each would be a series of its own. */
const samplesOf = (span: Span): readonly Sample[] => {
  const took = Number(span.endNs - span.startNs) / 1e9
  const failed: Attributes = span.error === null ? {} : { "error.type": span.error }
  const { attributes } = span
  if (attributes["messaging.operation.type"] === "process") {
    const about = pick(span, "messaging.system", "messaging.destination.name", "messaging.operation.name")
    return [[PROCESS, took, { ...about, ...failed }]]
  }
  if (attributes["cicd.pipeline.task.name"] !== undefined)
    return attributes["hyperion.guard.remembered"] === true
      ? []
      : [[GUARD, took, pick(span, "cicd.pipeline.task.name", "cicd.pipeline.task.run.result")]]
  if (attributes["cicd.pipeline.result"] !== undefined) {
    // The same run, told in another trace.
    if (attributes["hyperion.guards.shared"] === true) return []
    const about = pick(span, "cicd.pipeline.name", "cicd.pipeline.result")
    return [[PIPELINE, took, { ...about, "cicd.pipeline.run.state": "executing", ...failed }]]
  }
  if (attributes["gen_ai.operation.name"] !== undefined) {
    const about = pick(span, "gen_ai.operation.name", "gen_ai.provider.name", "gen_ai.request.model")
    const tokens = (["input", "output"] as const).flatMap((type): readonly Sample[] => {
      const count = attributes[`gen_ai.usage.${type}_tokens`]
      return typeof count === "number" ? [[USAGE, count, { ...about, "gen_ai.token.type": type }]] : []
    })
    return [[AGENT, took, { ...about, ...failed }], ...tokens]
  }
  return []
}

export interface Distributions {
  readonly add: (span: Span) => void
  /** What was added since the last call. */
  readonly take: () => readonly Histogram[]
}

export const distributions = (): Distributions => {
  let series = new Map<string, { measure: Measure; attributes: Attributes; buckets: number[]; sum: number }>()
  return {
    add: (span) => {
      for (const [measure, value, attributes] of samplesOf(span)) {
        const key = JSON.stringify([measure.name, attributes])
        let one = series.get(key)
        if (one === undefined) {
          one = { measure, attributes, buckets: new Array(measure.bounds.length + 1).fill(0), sum: 0 }
          series.set(key, one)
        }
        const above = measure.bounds.findIndex((bound) => value <= bound)
        one.buckets[above === -1 ? measure.bounds.length : above]! += 1
        one.sum += value
      }
    },
    take: () => {
      const taken = [...series.values()]
      series = new Map()
      return taken.map(({ measure, attributes, buckets, sum }) => ({
        ...measure,
        attributes,
        buckets,
        count: buckets.reduce((total, count) => total + count, 0),
        sum,
      }))
    },
  }
}
