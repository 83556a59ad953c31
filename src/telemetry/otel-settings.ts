/** The part of the environment that OpenTelemetry names. */
type Environment = Readonly<Record<string, string | undefined>>

export interface Target {
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
}

export interface OtelSettings {
  /** Null: traces are not wanted, or cannot be sent. */
  readonly traces: Target | null
  readonly metrics: Target | null
  readonly resource: Readonly<Record<string, string>>
  /** Share of the traces that are sent, 0 to 1. All processes decide alike about a trace: its id decides. */
  readonly ratio: number
}

export interface ReadOtelSettings {
  /** Null: nothing is sent. */
  readonly settings: OtelSettings | null
  /** What is wrong with the variables, a line each. No value of theirs is repeated: they carry credentials. */
  readonly problems: readonly string[]
}

const SIGNALS = ["TRACES", "METRICS"] as const
type Signal = (typeof SIGNALS)[number]

/** Reads the `OTEL_*` variables of the specification that are obeyed here: docs/HYPERION.md lists them. */
export const readOtelSettings = (env: Environment): ReadOtelSettings => {
  const problems: string[] = []
  if (env["OTEL_SDK_DISABLED"]?.trim().toLowerCase() === "true") return { settings: null, problems }
  const traces = targetOf("TRACES", env, problems)
  const metrics = targetOf("METRICS", env, problems)
  if (traces === null && metrics === null) return { settings: null, problems }
  const resource = pairs("OTEL_RESOURCE_ATTRIBUTES", env, problems)
  const service = env["OTEL_SERVICE_NAME"] || resource["service.name"] || "hyperion"
  return {
    settings: {
      traces,
      metrics,
      resource: { ...resource, "service.name": service },
      ratio: ratioOf(env, problems),
    },
    problems,
  }
}

const targetOf = (signal: Signal, env: Environment, problems: string[]): Target | null => {
  if (env[`OTEL_${signal}_EXPORTER`]?.trim() === "none") return null
  const named = (what: string): readonly [name: string, value: string] | null => {
    for (const name of [`OTEL_EXPORTER_OTLP_${signal}_${what}`, `OTEL_EXPORTER_OTLP_${what}`]) {
      const value = env[name]?.trim()
      if (value) return [name, value]
    }
    return null
  }
  const endpoint = named("ENDPOINT")
  if (endpoint === null) return null
  const what = signal.toLowerCase()
  const protocol = named("PROTOCOL")
  if (protocol !== null && protocol[1] !== "http/json") {
    problems.push(
      `${protocol[0]} asks for another protocol than http/json, the only one spoken: no ${what} are sent`,
    )
    return null
  }
  const [name, value] = endpoint
  const url = URL.canParse(value) ? new URL(value) : null
  if (url === null || !/^https?:$/.test(url.protocol)) {
    problems.push(`${name} is no http or https URL: no ${what} are sent`)
    return null
  }
  if (url.username !== "" || url.password !== "") {
    problems.push(
      `${name} holds a password, which belongs into OTEL_EXPORTER_OTLP_HEADERS: no ${what} are sent`,
    )
    return null
  }
  if (!name.includes(signal)) url.pathname = `${url.pathname.replace(/\/$/, "")}/v1/${what}`
  const headers = named("HEADERS")
  return { url: url.href, headers: headers === null ? {} : pairs(headers[0], env, problems) }
}

/** `key=value,key=value` with percent-encoded values. */
const pairs = (name: string, env: Environment, problems: string[]): Record<string, string> => {
  const found: Record<string, string> = {}
  for (const part of (env[name] ?? "").split(",")) {
    if (part.trim() === "") continue
    const at = part.indexOf("=")
    const key = part.slice(0, Math.max(0, at)).trim()
    const value = decoded(part.slice(at + 1).trim())
    if (!/^[\w.!#$%&'*+^`|~/-]+$/.test(key) || value === null || /[^\P{Cc}]/u.test(value)) {
      const problem = `${name} is not of the form key=value,key=value: a part of it is left out`
      if (!problems.includes(problem)) problems.push(problem)
    } else found[key] = value
  }
  return found
}

const decoded = (text: string): string | null => {
  try {
    return decodeURIComponent(text)
  } catch {
    return null
  }
}

const ratioOf = (env: Environment, problems: string[]): number => {
  const sampler = env["OTEL_TRACES_SAMPLER"]?.trim() || "always_on"
  switch (sampler.replace(/^parentbased_/, "")) {
    case "always_on":
      return 1
    case "always_off":
      return 0
    case "traceidratio": {
      const text = env["OTEL_TRACES_SAMPLER_ARG"]?.trim() || "1"
      const ratio = Number(text)
      if (ratio >= 0 && ratio <= 1) return ratio
      problems.push("OTEL_TRACES_SAMPLER_ARG is no number from 0 to 1: every trace is sent")
      return 1
    }
    default:
      problems.push("OTEL_TRACES_SAMPLER is not known here: every trace is sent")
      return 1
  }
}

/** Consistent probability sampling: the low 56 bits of the trace id against the threshold. */
export const isSampled = (traceId: string, ratio: number): boolean =>
  Number.parseInt(traceId.slice(-14, -1), 16) / 2 ** 52 >= 1 - ratio
