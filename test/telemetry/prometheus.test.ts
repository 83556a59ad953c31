import { describe, expect, test } from "bun:test"
import * as FastCheck from "effect/FastCheck"
import { STATES } from "../../src/domain/entry.ts"
import type { QueueMetrics } from "../../src/domain/records.ts"
import { prometheusText } from "../../src/telemetry/prometheus.ts"

interface Sample {
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}
interface Parsed {
  readonly types: ReadonlyMap<string, string>
  readonly helps: ReadonlyMap<string, string>
  readonly samples: readonly Sample[]
}

const SAMPLE = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (-?(?:\d+(?:\.\d+)?(?:e[+-]?\d+)?|\+Inf|NaN))$/
const TYPES: ReadonlySet<string> = new Set(["counter", "gauge", "histogram", "summary", "untyped"])
const LABEL = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(?:,|$)/y

/**
 * The text format 0.0.4, as its specification has it and stricter: a family is its HELP, its TYPE and its samples, all
 * together and once. Anything else throws.
 */
const parse = (text: string): Parsed => {
  if (!text.endsWith("\n")) throw new Error("the last line must end with a newline")
  let family = ""
  const series = new Set<string>()
  const types = new Map<string, string>()
  const helps = new Map<string, string>()
  const samples: Sample[] = []
  for (const line of text.slice(0, -1).split("\n")) {
    const comment = /^# (HELP|TYPE) ([a-zA-Z_:][a-zA-Z0-9_:]*) (.+)$/.exec(line)
    if (comment) {
      const [, kind, name, rest] = comment as unknown as [string, string, string, string]
      const seen = kind === "HELP" ? helps : types
      if (seen.has(name)) throw new Error(`${kind} of ${name} comes twice`)
      if (samples.some((sample) => sample.name === name)) throw new Error(`${kind} of ${name} comes late`)
      if (kind === "HELP" ? types.has(name) : family !== name)
        throw new Error(`${name} has no HELP before it`)
      if (kind === "HELP" && /\\(?![\\n])/.test(rest)) throw new Error(`HELP of ${name} is not escaped`)
      if (kind === "TYPE" && !TYPES.has(rest)) throw new Error(`${rest} is no type`)
      seen.set(name, rest)
      family = name
      continue
    }
    const [, name, labelText = "", value] = SAMPLE.exec(line) ?? []
    if (name === undefined) throw new Error(`no sample: ${line}`)
    if (name !== family || !types.has(name)) throw new Error(`${name} stands outside its family`)
    if (types.get(name) === "counter" && !(name.endsWith("_total") && Number(value) >= 0))
      throw new Error(`${name} is no counter`)
    const labels: Record<string, string> = {}
    LABEL.lastIndex = 0
    while (LABEL.lastIndex < labelText.length) {
      const found = LABEL.exec(labelText)
      if (!found) throw new Error(`no labels: ${labelText}`)
      if (Object.hasOwn(labels, found[1]!)) throw new Error(`label ${found[1]} comes twice`)
      const plain = found[2]!.replace(/\\(.)/g, (_, c: string) => (c === "n" ? "\n" : c))
      Object.defineProperty(labels, found[1]!, { value: plain, enumerable: true })
    }
    const key = `${name} ${JSON.stringify(Object.entries(labels).sort())}`
    if (series.has(key)) throw new Error(`${key} comes twice`)
    series.add(key)
    samples.push({ name, labels, value: Number(value) })
  }
  return { types, helps, samples }
}

const number = FastCheck.integer({ min: 0, max: 1e9 })
const maybe = FastCheck.option(FastCheck.double({ min: 0, max: 1e9, noNaN: true }), { nil: null })

const anyMetrics: FastCheck.Arbitrary<QueueMetrics> = FastCheck.record({
  schema_version: FastCheck.constant(1 as const),
  window_seconds: number,
  status_counts: FastCheck.record({ pending: number, in_progress: number, applied: number, failed: number }),
  state_counts: FastCheck.record(Object.fromEntries(STATES.map((state) => [state, number]))),
  queue_depth: number,
  avg_dequeue_latency_ms: maybe,
  avg_apply_duration_ms: maybe,
  avg_poll_interval_ms: maybe,
  cast_latency_ms: maybe,
  throughput_per_minute: number,
  success_rate: maybe,
  conflicts: number,
  lease_contention_events: number,
  timestamp: number,
  stale_applied_rows: number,
  stale_dead_letter_rows: number,
  dedup_hits: number,
  last_cleanup_timestamp: maybe,
  wal_checkpoint_stats: FastCheck.option(
    FastCheck.record({ busy: number, log: number, checkpointed: number }),
    { nil: null },
  ),
  timestamp_skew_secs: number,
  worker_count: number,
  agent_requests_per_second: number,
  agent_average_complexity: maybe,
  agent_guard_success_rate: maybe,
  agent_guard_approval_latency_ms: maybe,
  guard_results: FastCheck.record({ passed: number, failed: number, infra: number }),
  cast_builder: FastCheck.constant(null),
})

test.each([
  ["no newline at the end", "# HELP a A\n# TYPE a gauge\na 1"],
  ["an empty line", "# HELP a A\n# TYPE a gauge\n\na 1\n"],
  ["no TYPE", "# HELP a A\na 1\n"],
  ["no HELP", "# TYPE a gauge\na 1\n"],
  ["a TYPE behind its samples", "# HELP a A\na 1\n# TYPE a gauge\n"],
  ["a type of its own", "# HELP a A\n# TYPE a number\na 1\n"],
  [
    "a family in two places",
    '# HELP a A\n# TYPE a gauge\na 1\n# HELP b B\n# TYPE b gauge\nb 1\na{x="1"} 1\n',
  ],
  ["a series twice", '# HELP a A\n# TYPE a gauge\na{x="1",y="2"} 1\na{y="2",x="1"} 1\n'],
  ["a label twice", '# HELP a A\n# TYPE a gauge\na{x="1",x="2"} 1\n'],
  ["a bare quote in a label", '# HELP a A\n# TYPE a gauge\na{x="1"2"} 1\n'],
  ["an escape nobody knows", '# HELP a A\n# TYPE a gauge\na{x="\\t"} 1\n'],
  ["a counter that is not called so", "# HELP a A\n# TYPE a counter\na 1\n"],
  ["a counter below zero", "# HELP a_total A\n# TYPE a_total counter\na_total -1\n"],
  ["no number", "# HELP a A\n# TYPE a gauge\na null\n"],
])("this parser refuses %s", (_what, text) => {
  expect(() => parse(text)).toThrow()
})

describe("the Prometheus text", () => {
  test("escapes whatever stands in a label", () => {
    const [metrics] = FastCheck.sample(anyMetrics, 1)
    FastCheck.assert(
      FastCheck.property(FastCheck.uniqueArray(FastCheck.string({ minLength: 1 })), (states) => {
        const state_counts = Object.fromEntries(states.map((state) => [state, 1]))
        const { samples } = parse(prometheusText({ ...metrics!, state_counts }))
        const seen = samples
          .filter(({ name }) => name === "hyperion_entries")
          .map(({ labels }) => labels["state"])
        expect(seen.sort()).toEqual(Object.keys(state_counts).sort())
      }),
    )
    const awkward = { 'a"b\\c\nd': 1 }
    expect(prometheusText({ ...metrics!, state_counts: awkward })).toContain(
      'hyperion_entries{state="a\\"b\\\\c\\nd"} 1\n',
    )
  })

  test("parses, whatever the metrics are; every sample has its type and help, and none comes twice", () => {
    FastCheck.assert(
      FastCheck.property(anyMetrics, (metrics) => {
        const { types, helps, samples } = parse(prometheusText(metrics))
        expect([...types.keys()]).toEqual([...helps.keys()])
        for (const [name, type] of types) {
          expect(["gauge", "counter"]).toContain(type)
          expect(samples.some((sample) => sample.name === name)).toBe(true)
          expect(name.endsWith("_total")).toBe(type === "counter")
          expect(name).not.toMatch(/_ms$|_milliseconds$/)
        }
      }),
      { numRuns: 50 },
    )
  })

  test("gives milliseconds as seconds, and leaves out what there is not", () => {
    const [metrics] = FastCheck.sample(anyMetrics, 1)
    const { samples } = parse(
      prometheusText({
        ...metrics!,
        avg_dequeue_latency_ms: 1_500,
        cast_latency_ms: null,
        state_counts: { pending: 3, applied: 7, conflict: 2 },
        wal_checkpoint_stats: { busy: 0, log: 9, checkpointed: 4 },
      }),
    )
    const value = (name: string, labels: object = {}) =>
      samples.find((one) => one.name === name && JSON.stringify(one.labels) === JSON.stringify(labels))?.value
    expect(value("hyperion_dequeue_latency_seconds")).toBe(1.5)
    expect(value("hyperion_cast_latency_seconds")).toBeUndefined()
    expect(value("hyperion_entries", { state: "pending" })).toBe(3)
    expect(value("hyperion_landings_total")).toBe(7)
    expect(value("hyperion_conflicts_total")).toBe(2)
    expect(value("hyperion_wal_pages", { kind: "log" })).toBe(9)
    expect(value("hyperion_wal_pages", { kind: "checkpointed" })).toBe(4)
  })
})
