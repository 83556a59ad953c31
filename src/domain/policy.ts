import * as v from "valibot"
import { GuardId } from "./ids.ts"
import { MAX_TTL_SECONDS } from "./time.ts"

export const POLICY_VERSION = 1

const Count = (fallback: number, min = 0, max = 1e9) =>
  v.optional(v.pipe(v.number(), v.integer(), v.minValue(min), v.maxValue(max)), fallback)
const Strings = v.optional(v.array(v.string()), [])

const Argv = v.pipe(
  v.array(v.string()),
  v.minLength(1, "must name a program"),
  v.check((argv) => argv[0] !== "", "must name a program"),
)

/** A string is split into words without a shell; an array is taken as it is. */
export const Command = v.union([v.pipe(v.string(), v.trim(), v.minLength(1)), Argv])
export type Command = v.InferOutput<typeof Command>

export const GuardSpec = v.strictObject({
  id: GuardId,
  command: Command,
  timeout_seconds: Count(600, 1),
  network: v.optional(v.boolean(), false),
  /** Globs over changed paths; empty = always. */
  when: Strings,
  cache: v.optional(v.boolean(), true),
  flaky_retries: Count(1),
  /** Names of variables passed through from the operator's environment. */
  env: Strings,
})
export type GuardSpec = v.InferOutput<typeof GuardSpec>

export const PrepareSpec = v.strictObject({
  command: Command,
  /** Lockfiles whose digest decides whether it must run again. */
  key: v.pipe(v.array(v.string()), v.minLength(1)),
  network: v.optional(v.boolean(), true),
  /** What it makes and later candidates reuse, e.g. `node_modules`. */
  keep: Strings,
})
export type PrepareSpec = v.InferOutput<typeof PrepareSpec>

export const Presence = v.picklist(["tty", "signature", "none"])
export type Presence = v.InferOutput<typeof Presence>

export const ApprovalTier = v.strictObject({
  name: v.string(),
  paths: v.pipe(v.array(v.string()), v.minLength(1)),
  required: v.pipe(v.number(), v.integer(), v.minValue(1)),
  presence: v.optional(Presence),
})
export type ApprovalTier = v.InferOutput<typeof ApprovalTier>

const section = <T extends v.ObjectEntries>(entries: T) => v.optional(v.strictObject(entries), {} as never)

/** `hyperion.json`. Unknown keys are refused: a misspelt safety setting must not be ignored. */
export const Policy = v.pipe(
  v.strictObject({
    $schema: v.optional(v.string()),
    version: v.literal(POLICY_VERSION),
    landing: section({
      mode: v.optional(v.picklist(["commit", "worktree", "preview"]), "commit"),
      /** Absent: the branch that is checked out. */
      branch: v.optional(v.string()),
    }),
    prepare: v.optional(PrepareSpec),
    /** Absent: git-ignored `node_modules`, `.venv` and `vendor` of the live tree. */
    mounts: v.optional(v.array(v.string())),
    guards: v.optional(
      v.pipe(
        v.array(GuardSpec),
        v.check(
          (guards) => new Set(guards.map((guard) => guard.id)).size === guards.length,
          "guard ids must be unique",
        ),
      ),
      [],
    ),
    suites: v.optional(v.record(v.string(), v.array(GuardId)), {}),
    approvals: section({
      required: Count(1),
      presence: v.optional(Presence, "tty"),
      unattended: v.optional(v.boolean(), false),
      survive_rebase: v.optional(v.boolean(), false),
      allowed_signers: v.optional(v.string()),
      tiers: v.optional(v.array(ApprovalTier), []),
    }),
    /** `remove` takes default patterns out by their text; `["*"]` switches both built-in lists off. */
    sensitive_paths: section({ add: Strings, remove: Strings }),
    limits: section({
      max_changes: Count(300, 1),
      max_payload_bytes: Count(8 * 1024 * 1024, 1),
      max_file_bytes: Count(32 * 1024 * 1024, 1),
    }),
    queue: section({
      lease_seconds: Count(300, 1),
      max_attempts: Count(5, 1),
      dedup_window_hours: Count(24),
      retention_days: Count(7),
      dead_letter_days: Count(30),
      default_ttl_seconds: Count(604_800, 1, MAX_TTL_SECONDS),
      max_depth: Count(100_000, 1),
      admit: v.optional(v.picklist(["open", "evidence"]), "open"),
      /** Most entries that land in one ref move. */
      batch: Count(50, 1),
    }),
    tasks: v.optional(v.picklist(["known", "open"])),
    paths: v.optional(v.picklist(["portable", "posix"]), "portable"),
    orchestrator: section({
      max_files: Count(20, 1),
      max_context_tokens: Count(32_000, 1),
      boundaries: Strings,
    }),
    workers: Count(3, 1),
    agents: Count(3, 1),
    agent: section({
      harness: v.optional(v.picklist(["stub", "command", "copilot", "claude", "codex", "acp"]), "stub"),
      command: v.optional(Argv),
      model: v.optional(v.string(), "gpt-5-mini"),
      small_model: v.optional(v.string(), "gpt-4.1"),
      small_model_max_complexity: Count(3),
      timeout_seconds: Count(600, 1),
      max_retries: Count(2),
      budget: v.optional(v.number()),
    }),
    sandbox: v.optional(v.picklist(["required", "preferred", "off"]), "preferred"),
    on_event: v.optional(v.array(Argv), []),
  }),
  v.check(({ guards, suites }) => {
    const ids = new Set(guards.map((guard) => guard.id))
    return Object.values(suites).every((suite) => suite.every((id) => ids.has(id)))
  }, "a suite names a guard that guards does not list"),
)
export type Policy = v.InferOutput<typeof Policy>
export type PolicyInput = v.InferInput<typeof Policy>
export type SandboxMode = Policy["sandbox"]

export const DEFAULT_POLICY: Policy = v.parse(Policy, { version: POLICY_VERSION })

/**
 * Files that make other programs run things or that agents and editors obey: a change to one is never landed on a
 * plain approval, it must be named with `--acknowledge`. Sources: the incidents in docs/HARDENING.md.
 * These cannot be taken out one by one.
 */
export const SENSITIVE_CORE: readonly string[] = [
  "hyperion.json",
  "WORKPLAN.md",
  "plans/**",
  "skills/**",
  ".github/**",
  ".gitlab-ci.yml",
  ".circleci/**",
  "**/.gitattributes",
  "**/.gitmodules",
  "**/.husky/**",
  ".git-hooks/**",
  ".pre-commit-config.yaml",
  "**/.vscode/**",
  "**/.idea/**",
  "**/.devcontainer/**",
  "**/.claude/**",
  "**/.codex/**",
  "**/.cursor*",
  "**/.cursor*/**",
  "**/.gemini/**",
  "**/.agents/**",
  "**/.amazonq/**",
  "**/AGENTS.md",
  "**/CLAUDE.md",
  "**/GEMINI.md",
  "**/.mcp.json",
  "**/bunfig.toml",
  "**/.npmrc",
  "**/.yarnrc*",
  "**/.env*",
  "**/.env*/**",
]

/** The same, but ordinary work touches them: a policy may take them out one by one. */
export const SENSITIVE_DEFAULT: readonly string[] = [
  "**/package.json",
  "**/package-lock.json",
  "**/npm-shrinkwrap.json",
  "**/bun.lock",
  "**/bun.lockb",
  "**/yarn.lock",
  "**/pnpm-lock.yaml",
  "**/Cargo.lock",
  "**/go.sum",
  "**/poetry.lock",
  "**/uv.lock",
  "**/Makefile",
  "scripts/**",
  "**/.gitignore",
  "**/conftest.py",
  "**/setup.py",
  "**/build.rs",
  "**/{vitest,jest,playwright,karma,cypress}.config.*",
  "**/.mocharc*",
  "**/{pytest,tox}.ini",
]
