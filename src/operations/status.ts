import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { type EntryState, originalStatus, STATES } from "../domain/entry.ts"
import { type Eta, etaOf } from "../domain/eta.ts"
import type { Policy } from "../domain/policy.ts"
import { toTimestamp } from "../domain/time.ts"
import { Database } from "../platform/Database.ts"
import { GitRepository } from "../platform/git/GitRepository.ts"
import type { PolicySource } from "../platform/PolicyStore.ts"
import { CurrentWorkspace } from "../platform/Workspace.ts"
import { attention } from "../queue/attention.ts"
import { type Freeze, freezeOf, freezeText } from "../queue/freeze.ts"
import { QueueService } from "../queue/QueueService.ts"
import { depth, receiptOf } from "../queue/read.ts"
import { entryRow } from "../queue/transition.ts"
import { measuredPace } from "../telemetry/pace.ts"
import { type Base, currentBase } from "../worker/base.ts"
import { type Finding, findingOf, policyFindings, sandboxFinding } from "./status-findings.ts"
import { type Needs, needsOf } from "./status-needs.ts"

/** What needs a person is read up to this many of a kind; the totals always say how many there are. */
const MOST = 1_000

export interface StatusReport {
  readonly workspace: { readonly root: string; readonly database: string }
  readonly head: { readonly ref: string | null; readonly commit: string | null } | null
  /** What changes land on; null when that cannot be told, and a finding says why. */
  readonly landing: {
    readonly mode: Policy["landing"]["mode"]
    readonly ref: string
    readonly commit: string | null
    readonly checked_out: boolean
  } | null
  readonly policy: {
    readonly source: PolicySource
    readonly digest: string | null
    readonly guards: number
    readonly required: number
    readonly presence: Policy["approvals"]["presence"]
    readonly unattended: boolean
    readonly sandbox: Policy["sandbox"]
  } | null
  readonly counts: Readonly<Record<EntryState, number>>
  /** The original's four. */
  readonly status_counts: Readonly<Record<"pending" | "in_progress" | "applied" | "failed", number>>
  /** Entries that are not decided yet. */
  readonly queue_depth: number
  /** What a worker could take now, and when all of it will have been worked on; null where the log gives no basis. */
  readonly line: { readonly ready: number; readonly in_hand: number; readonly eta: Eta | null }
  /** Processes of the workers that are at work. */
  readonly workers: readonly number[]
  readonly last_landing: {
    readonly entry_id: number
    readonly task_id: string | null
    readonly commit: string | null
    readonly at: string
  } | null
  /** Landings are stopped; null when they may begin. */
  readonly freeze: { readonly by: string; readonly reason: string; readonly since: string } | null
  readonly needs: Needs
  readonly findings: readonly Finding[]
}

/** The workspace at a glance: what needs a person first. Works also when the policy or the repository does not. */
export const status = Effect.fn("operations.status")(function* () {
  const { root, databaseFile } = yield* CurrentWorkspace
  const queue = yield* QueueService
  const now = yield* Clock.currentTimeMillis
  const { head, base, findings } = yield* surroundings
  const database = yield* Database
  const workers = yield* database.workers
  const ended = yield* database.ended
  const found = yield* queue.read((db) => attention(db, now, MOST, ended))
  const pace = yield* queue.read((db) => measuredPace(db, now))
  const freeze = yield* queue.read(freezeOf)
  const policy = base?.policy.policy ?? null
  return {
    workspace: { root, database: databaseFile },
    head,
    landing: base && {
      mode: base.policy.policy.landing.mode,
      ref: base.ref,
      commit: base.commit,
      checked_out: base.ref === head?.ref,
    },
    policy: policy && {
      source: base!.policy.source,
      digest: base!.policy.digest,
      guards: policy.guards.length,
      required: policy.approvals.required,
      presence: policy.approvals.presence,
      unattended: policy.approvals.unattended,
      sandbox: policy.sandbox,
    },
    counts: found.counts,
    status_counts: STATES.reduce(
      (sums, state) => {
        sums[originalStatus(state)] += found.counts[state]
        return sums
      },
      { pending: 0, in_progress: 0, applied: 0, failed: 0 },
    ),
    queue_depth: depth(found.counts),
    line: { ready: found.ready, in_hand: found.inHand, eta: etaOf(pace, found.ready + found.inHand) },
    workers: [...new Set(workers.map((name) => Number.parseInt(name, 10)))],
    last_landing:
      found.lastLanding === null
        ? null
        : yield* queue.read((db) => ({
            entry_id: found.lastLanding!.entry_id,
            task_id: entryRow(db, found.lastLanding!.entry_id)?.task_id ?? null,
            commit:
              receiptOf(db, found.lastLanding!.entry_id)?.commit ??
              entryRow(db, found.lastLanding!.entry_id)?.landed_commit ??
              null,
            at: toTimestamp(found.lastLanding!.at),
          })),
    freeze: freeze && { by: freeze.actor, reason: freeze.reason, since: toTimestamp(freeze.at) },
    needs: yield* needsOf(found, policy, ended, MOST),
    findings: freeze ? [frozenFinding(freeze), ...findings] : findings,
  } satisfies StatusReport
})

const frozenFinding = (freeze: Freeze): Finding => ({
  code: "frozen",
  level: "warning",
  message: freezeText(freeze),
  next: "hyperion thaw",
})

/** HEAD, base and policy as far as they can be read; what cannot becomes a finding. */
const surroundings = Effect.gen(function* () {
  const findings: Finding[] = []
  const git = Option.getOrNull(yield* Effect.serviceOption(GitRepository))
  let head: StatusReport["head"] = null
  let base: Base | null = null
  if (git === null)
    findings.push({
      code: "no_repository",
      level: "error",
      message: "the git repository of this workspace is gone or cannot be read",
      next: "git status",
    })
  else {
    const read = yield* Effect.either(git.head)
    if (read._tag === "Right") head = { ref: read.right.ref, commit: read.right.oid }
    else findings.push(findingOf(read.left))
    const current = yield* Effect.either(currentBase().pipe(Effect.provideService(GitRepository, git)))
    if (current._tag === "Right") base = current.right
    else findings.push(findingOf(current.left))
  }
  if (base !== null) {
    findings.push(...(yield* policyFindings(base.policy)))
    findings.push(...(yield* sandboxFinding(base.policy.policy.sandbox)))
    if (base.commit === null)
      findings.push({
        code: "unborn_branch",
        level: "info",
        message: `${base.ref} has no commit yet: the first landing makes it`,
        next: null,
      })
  }
  return { head, base, findings }
})
