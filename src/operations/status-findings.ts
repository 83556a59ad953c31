import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { sha256Hex } from "../domain/hash.ts"
import type { SandboxMode } from "../domain/policy.ts"
import type { Violation } from "../domain/violation.ts"
import { type LoadedPolicy, PolicyStore } from "../platform/PolicyStore.ts"
import { Sandbox } from "../platform/Sandbox.ts"
import { POLICY_FILE } from "../platform/Workspace.ts"

/** Something about the workspace a person should know. `error`: nothing can land until it is mended. */
export interface Finding {
  readonly code: string
  readonly level: "error" | "warning" | "info"
  readonly message: string
  /** The exact command, or the one thing to do. */
  readonly next: string | null
}

interface Problem {
  readonly _tag: string
  readonly message: string
  readonly violations?: readonly Violation[]
}

const NEXT: Readonly<Record<string, string>> = {
  PolicyUntrusted: "hyperion config trust",
  PolicyUnreadable: "hyperion init",
  LandingDisputed: "make landing in hyperion.json the same on both branches",
  NoBranch: "git switch to the branch that changes land on, or set landing.branch in hyperion.json",
}

const snakeCase = (tag: string): string => tag.replace(/(?<=[a-z])(?=[A-Z])/g, "_").toLowerCase()

/** A typed error as a finding: status tells, it does not fail. */
export const findingOf = (problem: Problem): Finding => ({
  code: snakeCase(problem._tag),
  level: "error",
  message: problem.message,
  next: problem.violations?.[0]?.hint ?? NEXT[problem._tag] ?? "git fsck names what is damaged",
})

const warning = (code: string, message: string, next: string | null): Finding => ({
  code,
  level: "warning",
  message,
  next,
})

/** What a policy in force does without, and where the working copy says something else. */
export const policyFindings = Effect.fn("operations.policyFindings")(function* (loaded: LoadedPolicy) {
  const { approvals, guards } = loaded.policy
  return [
    ...(loaded.source === "default"
      ? [warning("no_policy", `there is no ${POLICY_FILE}: the defaults are in force`, "hyperion init")]
      : []),
    ...(yield* workingCopyFinding(loaded)),
    ...(guards.length === 0
      ? [warning("unguarded", "no guards: changes land unproven", "list guards in hyperion.json")]
      : []),
    ...(approvals.unattended
      ? [
          warning(
            "unattended",
            approvals.required === 0
              ? "changes land without any approval (approvals.unattended, required 0)"
              : "approvals count without anybody at a terminal (approvals.unattended)",
            null,
          ),
        ]
      : []),
    ...(approvals.presence === "signature" || approvals.tiers.some((tier) => tier.presence === "signature")
      ? [
          warning(
            "signatures_unavailable",
            "the policy asks for signed approvals, which come in a later version: what needs one cannot land",
            "set presence to tty in hyperion.json",
          ),
        ]
      : []),
  ] satisfies Finding[]
})

const workingCopyFinding = Effect.fn("operations.workingCopyFinding")(function* (loaded: LoadedPolicy) {
  if (loaded.source !== "base") return []
  const read = yield* Effect.either((yield* PolicyStore).workingCopy())
  if (read._tag === "Left") return [findingOf(read.left)]
  if (read.right !== null && sha256Hex(read.right) === loaded.digest) return []
  return [
    warning(
      "policy_differs",
      read.right === null
        ? `${POLICY_FILE} is missing in the working copy; the base commit's judges`
        : `the working copy of ${POLICY_FILE} differs from the base commit's, which judges`,
      `git diff ${POLICY_FILE}`,
    ),
  ]
})

/** Asks for a sandbox only where there is somebody to ask: it takes a process. */
export const sandboxFinding = Effect.fn("operations.sandboxFinding")(function* (mode: SandboxMode) {
  if (mode === "off")
    return [warning("sandbox_off", "guards run without a sandbox (sandbox off)", 'set "sandbox": "required"')]
  const sandbox = Option.getOrNull(yield* Effect.serviceOption(Sandbox))
  const state = sandbox === null ? null : yield* sandbox.detect
  if (state === null || state.available) return []
  const without = mode === "required" ? "no guard can run" : "guards run without it"
  return [
    {
      code: "no_sandbox",
      level: mode === "required" ? "error" : "warning",
      message: `${state.reason}: ${without} (sandbox ${mode})`,
      next: state.hint,
    } satisfies Finding,
  ]
})
