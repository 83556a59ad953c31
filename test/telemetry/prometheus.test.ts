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
const LABEL = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(?:,|$)/y

/** The text format 0.0.4, as its specification has it; anything else throws. */
const parse = (text: string): Parsed => {
  if (!text.endsWith("\n")) throw new Error("the last line must end with a newline")
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
      seen.set(name, rest)
      continue
    }
    const [, name, labelText = "", value] = SAMPLE.exec(line) ?? []
    if (name === undefined) throw new Error(`no sample: ${line}`)
    const labels: Record<string, string> = {}
    LABEL.lastIndex = 0
    while (LABEL.lastIndex < labelText.length) {
      const found = LABEL.exec(labelText)
      if (!found) throw new Error(`no labels: ${labelText}`)
      labels[found[1]!] = found[2]!
    }
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

describe("the Prometheus text", () => {
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
        const keys = samples.map(({ name, labels }) => `${name} ${JSON.stringify(labels)}`)
        expect(new Set(keys).size).toBe(keys.length)
        for (const { name } of samples) expect(types.has(name)).toBe(true)
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
