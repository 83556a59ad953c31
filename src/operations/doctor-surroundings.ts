import { join } from "node:path"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type { Policy } from "../domain/policy.ts"
import type { Millis } from "../domain/time.ts"
import { findExecutable } from "../platform/executable.ts"
import { Operator } from "../platform/Operator.ts"
import { ProcessRunner } from "../platform/ProcessRunner.ts"
import { changedAt, looseModes } from "../platform/state-files.ts"
import { CurrentWorkspace } from "../platform/Workspace.ts"
import { type Diagnosis, healthy } from "./doctor-finding.ts"

/** Git holds its index lock for moments; one this old was left behind. */
const LEFT_BEHIND: Millis = 60_000
const AGENTS = ["claude", "codex", "copilot", "gemini", "opencode"] as const

/** Variables that change what programs load or where git looks: set, hardly ever meant for us. */
const TRAPS: Readonly<Record<string, string>> = {
  BUN_OPTIONS: "it makes this very binary load what it names",
  BUN_BE_BUN: "it turns this very binary into the bun command",
  NODE_OPTIONS: "it makes guards that run on Node load what it names; it is taken from them",
  GIT_DIR: "git commands you type look at another repository than Hyperion does",
  GIT_WORK_TREE: "git commands you type look at another working tree than Hyperion does",
  GIT_INDEX_FILE: "git commands you type use another index than landings update",
}

export const environmentChecks = Effect.map(Operator, ({ env }): readonly Diagnosis[] => {
  const set = Object.entries(TRAPS).filter(([name]) => (env[name] ?? "") !== "")
  if (set.length === 0)
    return [healthy("environment", "no variable of a trap is set", "programs run as they are")]
  return set.map(([name, meaning]) => ({
    id: `environment_${name.toLowerCase()}`,
    severity: "warn",
    message: `${name} is set`,
    meaning,
    mend: `unset ${name}`,
  }))
})

export const modesChecks = Effect.map(
  CurrentWorkspace,
  ({ stateDir, databaseFile }): readonly Diagnosis[] => {
    const loose = looseModes(stateDir, databaseFile)
    if (loose.length === 0)
      return [healthy("modes", "the state folder is closed to others", "prompts and patches are private")]
    return [
      {
        id: "modes",
        severity: "warn",
        message: loose
          .map(({ path, mode }) => `${path} has mode ${mode.toString(8).padStart(4, "0")}`)
          .join("; "),
        meaning: "other users of this machine can read or change prompts, patches or approvals",
        mend: "hyperion doctor --fix",
      },
    ]
  },
)

export const indexLockChecks = Effect.gen(function* () {
  const { gitDir } = yield* CurrentWorkspace
  const at = yield* Clock.currentTimeMillis
  const lock = gitDir === null ? null : join(gitDir, "index.lock")
  const since = lock === null ? null : changedAt(lock)
  if (since === null || at - since < LEFT_BEHIND)
    return [healthy("index_lock", "git's index is not locked", "landings can update it")]
  return [
    {
      id: "index_lock",
      severity: "warn",
      message: `${lock} has been there for ${Math.round((at - since) / 1_000)} s`,
      meaning: "a git command was killed, or is still running: landings wait for it",
      mend: `rm ${lock}, when no git command is running`,
    } satisfies Diagnosis,
  ]
})

export const gitChecks = Effect.gen(function* () {
  const { env } = yield* Operator
  const runner = yield* ProcessRunner
  const found = findExecutable("git", { cwd: "/", path: env["PATH"] ?? "" })
  const outcome = found.ok
    ? yield* Effect.option(
        runner.run({
          argv: [found.value, "--version"],
          cwd: "/",
          env: { PATH: env["PATH"] ?? "" },
          timeoutMs: 5_000,
        }),
      )
    : null
  const text =
    outcome?._tag === "Some" && outcome.value.exitCode === 0
      ? Buffer.from(outcome.value.stdout).toString("utf8").trim()
      : null
  if (text !== null) return healthy("git", text, "landings, proposals and candidates can run it")
  return {
    id: "git",
    severity: "error",
    message: found.ok ? `${found.value} does not run` : "git is not on PATH",
    meaning: "nothing can be proven, landed or verified",
    mend: "install git, or put it on PATH",
  } satisfies Diagnosis
})

export const agentChecks = (agent: Policy["agent"] | null) =>
  Effect.map(Operator, ({ env }): readonly Diagnosis[] => {
    const onPath = (program: string) => findExecutable(program, { cwd: "/", path: env["PATH"] ?? "" }).ok
    const present = AGENTS.filter(onPath)
    const harness = env["HYPERION_AGENT"] || agent?.harness || "stub"
    const program = harness === "command" ? (agent?.command?.[0] ?? null) : harness
    const isMissing =
      program !== null &&
      harness !== "stub" &&
      harness !== "acp" &&
      !program.includes("/") &&
      !onPath(program)
    const listed = present.length === 0 ? "none on PATH" : `on PATH: ${present.join(", ")}`
    if (!isMissing)
      return [healthy("agents", `agent ${harness}; ${listed}`, "requests have somebody to answer them")]
    return [
      {
        id: "agents",
        severity: "error",
        message: `the agent's program ${program} is not on PATH; ${listed}`,
        meaning: "requests without explicit changes get no answer",
        mend: `install ${program}, or set agent.harness in hyperion.json`,
      },
    ]
  })
