import { mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { approvalDigest } from "../../src/approval/binding.ts"
import { AuditService } from "../../src/audit/AuditService.ts"
import type { FileEffect } from "../../src/domain/files.ts"
import type { PolicyInput } from "../../src/domain/policy.ts"
import { type VerificationBody, verifiedEffects } from "../../src/domain/verification.ts"
import { RequestStore } from "../../src/intake/RequestStore.ts"
import { Database } from "../../src/platform/Database.ts"
import { GitRepository } from "../../src/platform/git/GitRepository.ts"
import { HumanPresence, type PresenceReport } from "../../src/platform/HumanPresence.ts"
import { Operator } from "../../src/platform/Operator.ts"
import { PolicyStore } from "../../src/platform/PolicyStore.ts"
import { Sandbox } from "../../src/platform/Sandbox.ts"
import { CurrentWorkspace, workspaceAt } from "../../src/platform/Workspace.ts"
import type { Lease } from "../../src/queue/lease.ts"
import { QueueService } from "../../src/queue/QueueService.ts"
import { aVerification, enqueued, type ItemOptions, leased } from "../support/queue.ts"
import { tempFolder } from "../support/temp.ts"

export const AT_TERMINAL: PresenceReport = { terminal: true, agent: null }

export interface DeskOptions {
  /** What `hyperion.json` says; absent: there is none. `version` is added. */
  readonly policy?: Omit<PolicyInput, "version">
  /** Commit it, so that the base's policy judges. */
  readonly tracked?: boolean
  readonly presence?: PresenceReport
  /** What the person types, given all that is on the screen. */
  readonly types?: (screen: string) => string
  readonly env?: Readonly<Record<string, string>>
  /** Keeps the queue in a file: for what other processes see. */
  readonly file?: boolean
}

/** Types the first digits of the digest that the screen shows last, as a person who has looked would. */
export const typesDigest = (screen: string): string =>
  [...screen.matchAll(/\b[0-9a-f]{64}\b/g)].at(-1)![0].slice(0, 6)

const PATH = process.env["PATH"] ?? ""

const git = (root: string, ...args: string[]) => {
  const done = Bun.spawnSync(["git", ...args], {
    cwd: root,
    env: {
      PATH,
      GIT_CONFIG_NOSYSTEM: "1",
      GIT_CONFIG_GLOBAL: "/dev/null",
      GIT_AUTHOR_NAME: "Ada",
      GIT_AUTHOR_EMAIL: "ada@example.org",
      GIT_COMMITTER_NAME: "Ada",
      GIT_COMMITTER_EMAIL: "ada@example.org",
    },
  })
  if (done.exitCode !== 0) throw new Error(`git ${args.join(" ")}: ${done.stderr.toString()}`)
}

/** A person's whole desk: a repository, its workspace, a queue in memory, and who sits there. */
export const desk = ({
  policy,
  tracked = false,
  presence = AT_TERMINAL,
  types = () => "",
  env = {},
  file = false,
}: DeskOptions = {}) =>
  Layer.unwrapScoped(
    Effect.gen(function* () {
      const root = yield* tempFolder
      git(root, "init", "-q", "-b", "main")
      mkdirSync(join(root, ".hyperion"))
      const workspace = workspaceAt(root)
      if (policy !== undefined) writeFileSync(workspace.policyFile, JSON.stringify({ version: 1, ...policy }))
      if (tracked) {
        git(root, "add", "hyperion.json")
        git(root, "commit", "-q", "-m", "policy")
      }
      const trusted = Layer.effectDiscard(
        Effect.gen(function* () {
          if (policy !== undefined && !tracked) yield* (yield* PolicyStore).trust("ada")
        }),
      )
      return Layer.mergeAll(
        HumanPresence.layerOf(presence, types),
        RequestStore.layer,
        Sandbox.layerOf({ available: false, reason: "bubblewrap is not installed", hint: "install it" }),
        GitRepository.layer({
          start: root,
          cacheDir: join(root, ".cache"),
          env: { PATH },
        }),
        trusted,
      ).pipe(
        Layer.provideMerge(Layer.mergeAll(QueueService.layer, AuditService.layer, PolicyStore.layer)),
        Layer.provideMerge(
          file ? Database.layer({ file: workspace.databaseFile, create: true }) : Database.layerMemory,
        ),
        Layer.provideMerge(Layer.succeed(CurrentWorkspace, workspace)),
        Layer.provideMerge(Layer.succeed(Operator, Operator.from({ USER: "ada", HOME: root, ...env }))),
      )
    }),
  )

const text = (content: string) => ({ mode: "100644" as const, bytes: new TextEncoder().encode(content) })

/** What a proof of `src/greeting.txt`, as the builders make it, would hold. */
export const GREETING: readonly FileEffect[] = [
  { path: "src/greeting.txt", before: null, after: text("hello\n") },
]

export const aBody = (
  effects: readonly FileEffect[] = GREETING,
  options: Partial<VerificationBody> = {},
): VerificationBody => ({
  effects: verifiedEffects(effects),
  sensitive: [],
  repairs: [],
  flags: ["unguarded"],
  guard_outputs: [],
  exact: true,
  ...options,
})

/** Proves a leased entry, with a digest that binds its effects. */
export const proven = (
  lease: Lease,
  effects: readonly FileEffect[] = GREETING,
  options: Partial<VerificationBody> = {},
) =>
  Effect.flatMap(QueueService, (queue) =>
    queue.settle([
      {
        to: "awaiting_approval",
        lease,
        verification: aVerification({
          approvalDigest: approvalDigest(lease.entry.checksum, effects),
          guards: 0,
          body: aBody(effects, options),
        }),
        reason: { code: "approval_missing", text: "1 more approval (tty)" },
      },
    ]),
  )

/** An entry that waits for a person. */
export const awaiting = (
  options: ItemOptions = {},
  body: Partial<VerificationBody> = {},
  effects: readonly FileEffect[] = [
    { path: options.path ?? "src/greeting.txt", before: null, after: text("hello\n") },
  ],
) =>
  Effect.gen(function* () {
    const id = yield* enqueued(options)
    yield* proven(yield* leased(), effects, body)
    return id
  })
