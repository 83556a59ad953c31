import * as Effect from "effect/Effect"
import policySchema from "../../docs/schemas/policy.json"
import type { GuardResult } from "../domain/guard.ts"
import { sha256Hex } from "../domain/hash.ts"
import { POLICY_VERSION, type PolicyInput, type SandboxMode } from "../domain/policy.ts"
import { asGuardSpec, type DetectedGuard, detectGuards } from "../guard/detect.ts"
import { GuardService } from "../guard/GuardService.ts"
import { GitRepository } from "../platform/git/GitRepository.ts"
import { HumanPresence } from "../platform/HumanPresence.ts"
import { Operator } from "../platform/Operator.ts"
import { PolicyStore } from "../platform/PolicyStore.ts"
import { Sandbox } from "../platform/Sandbox.ts"
import { CurrentWorkspace, POLICY_FILE, STATE_DIR } from "../platform/Workspace.ts"
import { WorkspaceFiles } from "../platform/WorkspaceFiles.ts"
import { currentBase, NoBranch } from "../worker/base.ts"
import { materialize, provingGround } from "../worker/candidates.ts"
import { refuseAgent } from "./presence.ts"

export interface InitOptions {
  readonly profile: "replay" | undefined
  readonly branch: string | undefined
}

export interface GuardTrial {
  readonly id: string
  readonly command: readonly string[]
  readonly because: string | null
  /** How it ended on the base; null when there is no commit to run it on. */
  readonly result: GuardResult | null
  readonly note: string | null
}

export interface InitReport {
  readonly root: string
  readonly branch: string
  readonly policy: {
    readonly file: string
    readonly written: boolean
    readonly trusted: boolean
    readonly profile: string | null
  }
  readonly guards: readonly GuardTrial[]
  readonly sandbox: {
    readonly mode: SandboxMode
    readonly available: boolean
    readonly reason: string | null
  }
  readonly agents: readonly string[]
  readonly excluded: readonly string[]
  /** What this policy does without, said aloud. */
  readonly switched_off: readonly string[]
}

const AGENTS = ["copilot", "claude", "codex", "opencode", "gemini"] as const
/** Our own folders: git must not offer them for commit. The policy is left visible, so that a team can track it. */
const OWN_FOLDERS = [`/${STATE_DIR}/`, "/execution/", "/taskjson/", "/plans/"] as const
const MIB = 1024 * 1024

const replayPolicy = (branch: string): PolicyInput => ({
  version: POLICY_VERSION,
  landing: { mode: "commit", branch },
  guards: [],
  approvals: { required: 0, presence: "none", unattended: true },
  sensitive_paths: { remove: ["*"] },
  paths: "posix",
  limits: { max_changes: 100_000, max_payload_bytes: 256 * MIB, max_file_bytes: 64 * MIB },
  sandbox: "preferred",
})

const freshPolicy = (
  branch: string,
  guards: readonly DetectedGuard[],
  sandbox: SandboxMode,
): PolicyInput => ({
  version: POLICY_VERSION,
  landing: { mode: "commit", branch },
  guards: guards.map(asGuardSpec),
  approvals: { required: 1, presence: "tty" },
  sandbox,
})

/** How many commits the landing branch has is what `--profile replay` asks about. */
export const branchHasCommits = Effect.fn("operations.branchHasCommits")(function* (
  branch: string | undefined,
) {
  const git = yield* GitRepository
  const head = yield* git.head
  if (branch === undefined) return { branch: shortName(head.ref), hasCommits: head.oid !== null }
  return { branch, hasCommits: (yield* git.resolveRef(`refs/heads/${branch}`)) !== null }
})

const shortName = (ref: string | null): string | null => ref?.replace(/^refs\/heads\//, "") ?? null

/** Prepares the workspace: policy with detected guards, trusted; own folders excluded from git; guards tried once. */
export const initWorkspace = Effect.fn("operations.init")(function* (options: InitOptions) {
  const workspace = yield* CurrentWorkspace
  const files = yield* WorkspaceFiles
  const store = yield* PolicyStore
  const git = yield* GitRepository
  const { name, env } = yield* Operator
  const status = yield* (yield* Sandbox).detect

  const branch = options.branch ?? shortName((yield* git.head).ref)
  if (branch === null) return yield* new NoBranch()
  const detected = detectGuards((file) => files.readRoot(workspace.root, file))
  const existing = yield* store.workingCopy()
  const before = yield* store.lastTrusted()
  const { agent } = yield* (yield* HumanPresence).look()
  // A policy that switches approvals off is a decision, and only people decide.
  // So is putting another one in the place of one that was trusted and is gone.
  if (existing === null && (options.profile === "replay" || before !== null))
    yield* refuseAgent({ agent, terminal: false })
  if (existing === null) {
    const policy =
      options.profile === "replay"
        ? replayPolicy(branch)
        : freshPolicy(branch, detected, status.available ? "required" : "preferred")
    const document = { $schema: `./${STATE_DIR}/policy.schema.json`, ...policy }
    yield* files.write(workspace.policyFile, `${JSON.stringify(document, null, 2)}\n`)
  }
  // Beside the policy, so that an editor can check it without a network.
  yield* files.write(`${workspace.stateDir}/policy.schema.json`, `${JSON.stringify(policySchema, null, 2)}\n`)
  // A file that was there is trusted by its first init, and only by a person: later edits take `config trust`.
  const mayTrust =
    existing === null || (before === null ? agent === null : before.digest === sha256Hex(existing))
  const { policy } = mayTrust ? yield* store.trust(name) : yield* store.inspect()
  const excluded = yield* files.exclude(git.layout.commonDir, OWN_FOLDERS)
  const because = new Map(detected.map((guard) => [guard.id, guard.because]))
  const trials = mayTrust ? yield* tryGuards(because) : []

  return {
    root: workspace.root,
    branch: policy.landing.branch ?? branch,
    policy: {
      file: POLICY_FILE,
      written: existing === null,
      trusted: mayTrust,
      profile: existing === null ? (options.profile ?? "default") : null,
    },
    guards: trials,
    sandbox: {
      mode: policy.sandbox,
      available: status.available,
      reason: status.available ? null : status.reason,
    },
    agents: files.onPath(AGENTS, env["PATH"] ?? ""),
    excluded,
    switched_off: [
      ...(policy.approvals.required === 0 ? ["approvals: changes land without a person"] : []),
      ...(policy.approvals.unattended ? ["presence: approvals need no terminal"] : []),
      ...(policy.guards.length === 0 ? ["guards: nothing checks a change before it lands"] : []),
      ...(policy.sensitive_paths.remove.includes("*") ? ["sensitive paths: none is treated with care"] : []),
      ...(policy.paths === "posix" ? ["portable paths: names that other systems cannot hold are taken"] : []),
    ],
  } satisfies InitReport
})

/** Runs every guard once on the base, so that a guard that cannot work is found now and not with the first change. */
const tryGuards = Effect.fn("operations.tryGuards")(function* (because: ReadonlyMap<string, string>) {
  const base = yield* currentBase()
  const { policy } = base.policy
  const described = policy.guards.map((guard) => ({
    id: guard.id,
    command: [guard.command].flat(),
    because: because.get(guard.id) ?? null,
  }))
  if (base.commit === null || policy.guards.length === 0)
    return described.map((guard): GuardTrial => ({ ...guard, result: null, note: null }))
  const guards = yield* GuardService
  const ground = yield* provingGround(policy)
  return yield* Effect.scoped(
    Effect.gen(function* () {
      const target = yield* materialize(ground, { tree: base.tree, base: base.commit, objects: [] })
      return yield* Effect.forEach(policy.guards, (guard, index) =>
        Effect.map(
          guards.run(target, guard, ground.settings),
          ({ output, note }): GuardTrial => ({ ...described[index]!, result: output.result, note }),
        ),
      )
    }),
  )
})
