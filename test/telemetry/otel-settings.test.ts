import { describe, expect, test } from "bun:test"
import * as FastCheck from "effect/FastCheck"
import { isSampled, readOtelSettings } from "../../src/telemetry/otel-settings.ts"
import { traceIdOf } from "../../src/telemetry/spans.ts"

const BASE = "http://127.0.0.1:4318"
const read = (env: Record<string, string>) => readOtelSettings({ OTEL_EXPORTER_OTLP_ENDPOINT: BASE, ...env })

describe("the environment's settings", () => {
  test("append the signal's path to the common address, and leave a signal's own as it is", () => {
    for (const base of [BASE, `${BASE}/`, `${BASE}/v1/traces/../..`]) {
      const { settings, problems } = read({ OTEL_EXPORTER_OTLP_ENDPOINT: base })
      expect(settings?.traces?.url).toBe(`${BASE}/v1/traces`)
      expect(settings?.metrics?.url).toBe(`${BASE}/v1/metrics`)
      expect(problems).toEqual([])
    }
    const { settings } = read({
      OTEL_EXPORTER_OTLP_ENDPOINT: `${BASE}/otlp/`,
      OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: "https://traces.example/in?tenant=1",
      OTEL_EXPORTER_OTLP_TRACES_HEADERS: "x-key=a%2Cb, x-other = c",
      OTEL_EXPORTER_OTLP_HEADERS: "x-key=common",
    })
    expect(settings?.traces).toEqual({
      url: "https://traces.example/in?tenant=1",
      headers: { "x-key": "a,b", "x-other": "c" },
    })
    expect(settings?.metrics).toEqual({ url: `${BASE}/otlp/v1/metrics`, headers: { "x-key": "common" } })
  })

  test.each([
    [{ OTEL_EXPORTER_OTLP_ENDPOINT: "" }],
    [{ OTEL_SDK_DISABLED: "TRUE" }],
    [{ OTEL_TRACES_EXPORTER: "none", OTEL_METRICS_EXPORTER: "none" }],
  ])("are off: %p", (env) => {
    expect(read(env)).toEqual({ settings: null, problems: [] })
  })

  test("say what cannot be obeyed, and never what it holds", () => {
    const bad: readonly (readonly [Record<string, string>, RegExp])[] = [
      [{ OTEL_EXPORTER_OTLP_PROTOCOL: "http/protobuf" }, /OTEL_EXPORTER_OTLP_PROTOCOL .* no traces are sent/],
      [{ OTEL_EXPORTER_OTLP_METRICS_PROTOCOL: "grpc" }, /METRICS_PROTOCOL .* no metrics are sent/],
      [{ OTEL_EXPORTER_OTLP_ENDPOINT: "sesame:4317" }, /no http or https URL/],
      [{ OTEL_EXPORTER_OTLP_ENDPOINT: "http://a:sesame@host" }, /holds a password/],
      [{ OTEL_EXPORTER_OTLP_HEADERS: "sesame" }, /OTEL_EXPORTER_OTLP_HEADERS is not of the form/],
      [{ OTEL_EXPORTER_OTLP_HEADERS: "a=sesame%0d%0ax: y" }, /is not of the form/],
      [{ OTEL_EXPORTER_OTLP_HEADERS: "a=%sesame" }, /is not of the form/],
      [{ OTEL_TRACES_SAMPLER: "sesame" }, /OTEL_TRACES_SAMPLER is not known/],
      [
        { OTEL_TRACES_SAMPLER: "traceidratio", OTEL_TRACES_SAMPLER_ARG: "sesame" },
        /SAMPLER_ARG is no number/,
      ],
    ]
    for (const [env, problem] of bad) {
      const { problems } = read(env)
      expect(problems.join("\n")).toMatch(problem)
      expect(problems.join("\n")).not.toContain("sesame")
    }
  })

  test("name the service: its own variable before the resource's, before the program's name", () => {
    const resource = (env: Record<string, string>) => read(env).settings?.resource
    expect(resource({})).toEqual({ "service.name": "hyperion" })
    const attributes = "service.name=from%20resource,team=x"
    expect(resource({ OTEL_RESOURCE_ATTRIBUTES: attributes })).toEqual({
      "service.name": "from resource",
      team: "x",
    })
    expect(resource({ OTEL_RESOURCE_ATTRIBUTES: attributes, OTEL_SERVICE_NAME: "mine" })).toMatchObject({
      "service.name": "mine",
    })
  })

  test("sample as many traces as were asked for, the same ones in every process, and fewer of the same", () => {
    const ids = Array.from({ length: 4_000 }, (_, n) => traceIdOf(`request-${n}`))
    for (const ratio of [0, 0.1, 0.5, 1]) {
      const share = ids.filter((id) => isSampled(id, ratio)).length / ids.length
      expect(Math.abs(share - ratio)).toBeLessThan(0.03)
    }
    FastCheck.assert(
      FastCheck.property(
        FastCheck.string(),
        FastCheck.double({ min: 0, max: 1, noNaN: true }),
        FastCheck.double({ min: 0, max: 1, noNaN: true }),
        (name, a, b) => {
          const id = traceIdOf(name)
          if (isSampled(id, Math.min(a, b))) expect(isSampled(id, Math.max(a, b))).toBe(true)
        },
      ),
    )
    expect(
      read({ OTEL_TRACES_SAMPLER: "parentbased_traceidratio", OTEL_TRACES_SAMPLER_ARG: "0.25" }).settings,
    ).toMatchObject({
      ratio: 0.25,
    })
  })
})
