import { EXIT_CODES } from "./exit-codes.ts"

const ENVIRONMENT: readonly (readonly [name: string, meaning: string])[] = [
  ["HYPERION_ROOT", "The workspace, as --root; the flag wins"],
  ["HYPERION_DB", "The database file, as --db; the flag wins"],
  ["HYPERION_AGENT", "The agent that answers assignments (stub)"],
  ["HYPERION_USER", "How the log names the person at this terminal ($USER)"],
  ["HYPERION_CACHE", "Where candidates and caches lie; wins over XDG_CACHE_HOME"],
  ["HYPERION_LOG", "Log level: error, warn, info, debug, trace; also shows traces of defects"],
  ["OTEL_EXPORTER_OTLP_ENDPOINT", "An OpenTelemetry collector (http/json); more in docs/telemetry.md"],
  ["NO_COLOR", "Any value: no colour"],
  ["FORCE_COLOR", "Any value but 0: colour also where stdout is no terminal"],
  ["TERM", "dumb: no colour"],
  ["XDG_CONFIG_HOME", "Where the user's own configuration lies (~/.config)"],
  ["XDG_CACHE_HOME", "Where candidates and caches lie (~/.cache)"],
]

const DOCUMENTS: readonly (readonly [name: string, meaning: string])[] = [
  [
    "change request",
    "task_id, agent, metadata {intent}, changes []; also checks [], base_revision, depends_on []",
  ],
  [
    "  a change",
    "path, operation add|update|delete, patch or content, patch_hash; also base_hash, patch_encoding",
  ],
  ["  patch", "one file's git-style diff; content is the whole new file instead (empty for a delete)"],
  ["  patch_hash", "SHA-256, 64 hex digits, of exactly the bytes of patch or content"],
  [
    "  metadata",
    "intent; also complexity 1-10, sample_diff, telemetry_anchors [], approvals [] (claims), agent_model",
  ],
  [
    "task request",
    "request_id, summary, requested_changes []; also kind, context, acceptance_criteria [], phases []",
  ],
  ["", "priority 0-9, landing independent|in_order|together, depends_on [], metadata"],
  [
    "  a requested change",
    "path, summary; also operation, patch or content, checks [], phase_id, ensure_exists",
  ],
  [
    "hyperion.json",
    "version 1; also landing, guards [], approvals, sensitive_paths, limits, queue, prepare, mounts []",
  ],
  ["", "tasks, paths, orchestrator, agent, sandbox; its schema lies in .hyperion/policy.schema.json"],
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
  documents: { summary: "The documents and their keys (docs/SCHEMAS.md has them in full)", rows: DOCUMENTS },
  environment: { summary: "Environment variables that are read", rows: ENVIRONMENT },
}
