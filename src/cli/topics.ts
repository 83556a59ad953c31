import { EXIT_CODES } from "./exit-codes.ts"

const ENVIRONMENT: readonly (readonly [name: string, meaning: string])[] = [
  ["HYPERION_ROOT", "The workspace, as --root; the flag wins"],
  ["HYPERION_DB", "The database file, as --db; the flag wins"],
  ["HYPERION_AGENT", "The agent that answers assignments (stub)"],
  ["HYPERION_LOG", "Log level: error, warn, info, debug, trace; also shows traces of defects"],
  ["NO_COLOR", "Any value: no colour"],
  ["FORCE_COLOR", "Any value but 0: colour also where stdout is no terminal"],
  ["TERM", "dumb: no colour"],
  ["XDG_CONFIG_HOME", "Where the user's own configuration lies (~/.config)"],
  ["XDG_CACHE_HOME", "Where candidates and caches lie (~/.cache)"],
]

export interface Topic {
  readonly summary: string
  readonly rows: readonly (readonly [term: string, meaning: string])[]
}

export const TOPICS: Readonly<Record<string, Topic>> = {
  "exit-codes": {
    summary: "What the exit code of a command means",
    rows: EXIT_CODES.map(({ code, name, description }) => [
      `${String(code).padStart(3)}  ${name}`,
      description,
    ]),
  },
  environment: { summary: "Environment variables that are read", rows: ENVIRONMENT },
}
