import * as Effect from "effect/Effect"
import { commandArgv } from "../domain/command.ts"
import type { GuardOutput } from "../domain/guard.ts"
import { canonicalDigest } from "../domain/hash.ts"
import type { GuardSpec } from "../domain/policy.ts"
import { childEnv } from "../platform/child-env.ts"
import { findExecutable, programIdentity } from "../platform/executable.ts"
import type { Argv, ProcessRunnerShape } from "../platform/ProcessRunner.ts"
import type { SandboxedCommand, SandboxShape } from "../platform/Sandbox.ts"
import { hostPathOf } from "../platform/sandbox-mounts.ts"
import { judge, tail } from "./outcome.ts"
import type { GuardSettings, GuardTarget } from "./target.ts"

/** A guard made ready for one tree. `envDigest` names all that the run depends on besides tree and dependencies. */
export interface ReadyGuard {
  readonly guard: GuardSpec
  readonly argv: Argv
  readonly command: SandboxedCommand
  readonly envDigest: string
}

export interface Attempt {
  readonly output: GuardOutput
  readonly note: string | null
}

/** Of a program outside the tree; one inside is part of the tree's id. */
const identityOf = (argv: Argv, target: GuardTarget<unknown>, env: Readonly<Record<string, string>>) => {
  const place = hostPathOf(argv[0], target.dir, target.binds)
  const found = findExecutable(place, { cwd: target.dir, path: env["PATH"] ?? "" })
  if (!found.ok || found.value.startsWith(`${target.dir}/`)) return null
  return programIdentity(found.value)
}

/** The command as it will be started. An invalid one is answered as text: the policy, not a change, is to blame. */
export const ready = Effect.fn("GuardService.ready")(function* (
  sandbox: SandboxShape,
  target: GuardTarget<unknown>,
  guard: GuardSpec,
  settings: GuardSettings,
) {
  const argv = commandArgv(guard.command)
  if (!argv.ok) return `guard ${guard.id}: the command ${argv.error}`
  const env = childEnv({ source: settings.environment, allow: guard.env, set: { CI: "true" } })
  const command = yield* sandbox.wrap({
    mode: settings.sandbox,
    argv: argv.value,
    candidateDir: target.dir,
    network: guard.network,
    readOnlyBinds: target.binds,
    env,
    hidden: settings.hidden,
  })
  const envDigest = canonicalDigest({
    env: command.env,
    label: command.label,
    machine: `${process.platform}-${process.arch}`,
    program: identityOf(argv.value, target, env),
  })
  return { guard, argv: argv.value, command, envDigest } satisfies ReadyGuard
})

export const unable = (
  target: GuardTarget<unknown>,
  guard: GuardSpec,
  sandbox: "bwrap" | "none",
  note: string,
): Attempt => ({
  output: {
    guard_id: guard.id,
    command: [guard.command].flat(),
    tree: target.tree,
    exit_code: null,
    result: "infra",
    duration_ms: 0,
    stdout_tail: "",
    stderr_tail: note,
    log_sha256: null,
    sandbox,
  },
  note,
})

/** One run on the tree as it is. Never fails: what keeps it from running is `infra`. */
export const runOnce = Effect.fn("GuardService.runOnce")(function* (
  runner: ProcessRunnerShape,
  target: GuardTarget<unknown>,
  { guard, argv, command }: ReadyGuard,
  settings: GuardSettings,
) {
  const timeoutMs = guard.timeout_seconds * 1_000
  const ended = yield* Effect.either(runner.run({ ...command, timeoutMs, logDir: settings.logDir }))
  if (ended._tag === "Left") return unable(target, guard, command.label, ended.left.message)
  const outcome = ended.right
  const { result, note } = judge(outcome, command.label === "bwrap", target.dependencies.missing)
  return {
    output: {
      guard_id: guard.id,
      command: [...argv],
      tree: target.tree,
      exit_code: outcome.exitCode,
      result,
      duration_ms: Math.round(outcome.durationMs),
      stdout_tail: tail(outcome.stdout),
      stderr_tail: tail(outcome.stderr),
      log_sha256: outcome.logSha256 ?? null,
      sandbox: command.label,
    },
    note,
  } satisfies Attempt
})
