import type { Environment } from "../platform/Terminal.ts"
import type { ArgDefs } from "./command.ts"

/** Accepted before or after the command. */
export const GLOBAL_FLAGS = {
  root: { type: "string", value: "DIR", description: "Work in the workspace of DIR (HYPERION_ROOT)" },
  db: { type: "string", value: "FILE", description: "Use this database file (HYPERION_DB)" },
  format: { type: "enum", options: ["text", "json", "jsonl"], description: "How data is printed (text)" },
  quiet: { type: "boolean", description: "Say nothing on stderr but errors" },
  noColor: { type: "boolean", description: "No colour (NO_COLOR)" },
  help: { type: "boolean", short: "h", description: "Show help" },
  version: { type: "boolean", short: "V", description: "Show the version" },
} as const satisfies ArgDefs

/** The part of the global flags that decides how even a refusal of the command line is written. */
export interface EarlyGlobals {
  readonly format: "text" | "json" | "jsonl"
  readonly noColor: boolean
  readonly quiet: boolean
  readonly help: boolean
  readonly version: boolean
}

/**
 * Read leniently before the command is known. A token that starts with `-` is never the value of another flag
 * (see scan), so looking at single tokens cannot mistake one.
 */
export const earlyGlobals = (argv: readonly string[]): EarlyGlobals => {
  const end = argv.indexOf("--")
  const tokens = end === -1 ? argv : argv.slice(0, end)
  const formats = tokens.flatMap((token, index) =>
    token === "--format" ? [tokens[index + 1]] : token.startsWith("--format=") ? [token.slice(9)] : [],
  )
  const format = formats[0]
  return {
    format: format === "json" || format === "jsonl" ? format : "text",
    noColor: tokens.includes("--no-color"),
    quiet: tokens.includes("--quiet"),
    help: tokens.includes("--help") || tokens.includes("-h"),
    version: tokens.includes("--version") || tokens.includes("-V"),
  }
}

/** Traces are wanted: HYPERION_LOG is set to anything but `off`. */
export const wantsTraces = (env: Environment): boolean => {
  const level = env["HYPERION_LOG"]
  return level !== undefined && level !== "" && level !== "off"
}

/** Somebody named a collector. What else the variables say is read where they are obeyed. */
export const wantsExport = (env: Environment): boolean =>
  Boolean(
    env["OTEL_EXPORTER_OTLP_ENDPOINT"] ||
      env["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"] ||
      env["OTEL_EXPORTER_OTLP_METRICS_ENDPOINT"],
  )
