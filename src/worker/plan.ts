import * as Effect from "effect/Effect"
import { type ApplyPlan, type LandingStep, planLanding, touchedPaths } from "../apply/plan.ts"
import { approvalDigest } from "../approval/binding.ts"
import { type ApprovalAnswer, judgeApprovals } from "../approval/rules.ts"
import { storedApprovals } from "../approval/stored.ts"
import { contentHash, type FileState } from "../domain/files.ts"
import type { Policy } from "../domain/policy.ts"
import type { FailureReport } from "../domain/receipt.ts"
import { fail, ok, type Result } from "../domain/result.ts"
import { sensitivePaths } from "../domain/sensitive.ts"
import { type VerificationBody, verifiedEffects } from "../domain/verification.ts"
import type { TreeReader } from "../platform/git/tree-edit.ts"
import type { Lease } from "../queue/lease.ts"
import type { ApprovalRow } from "../queue/queue.sql.ts"
import type { Base } from "./base.ts"
import { type Committer, commitOf } from "./commit.ts"
import { computeEffects, type Effects, type EffectsProblem } from "./effects.ts"
import { type Overlay, storedBases } from "./files.ts"

/** One entry, computed on the tree it would land on. Nothing of it is written yet. */
export interface Candidacy {
  readonly lease: Lease
  readonly change: Effects
  readonly digest: string
  readonly sensitive: readonly string[]
  readonly flags: readonly string[]
  readonly answer: ApprovalAnswer
  readonly approvals: readonly ApprovalRow[]
  /** The result is there already: there is nothing to land. */
  readonly noop: boolean
}

/** An entry that cannot land on this tree, and why. */
export interface Refusal {
  readonly lease: Lease
  readonly kind: EffectsProblem["kind"]
  readonly report: FailureReport
}

/** Computes what an entry does to the running tree, and whether its approvals cover it. */
export const considerEntry = Effect.fn("worker.considerEntry")(function* (
  lease: Lease,
  overlay: Overlay,
  policy: Policy,
  approvals: readonly ApprovalRow[],
) {
  const request = lease.cast.change_request
  overlay.takeMisses()
  let computed = computeEffects(request, overlay)
  if (!computed.ok && overlay.takeMisses().length > 0) {
    // The base moved: look for the pre-images in the repository before calling it a conflict.
    for (const state of yield* storedBases(request)) overlay.keep(state)
    computed = computeEffects(request, overlay)
  }
  if (!computed.ok) return fail(refusal(lease, computed.error))
  const change = computed.value
  const digest = approvalDigest(lease.cast.checksum, change.effects)
  const paths = change.effects.map((effect) => effect.path)
  const sensitive = sensitivePaths(paths, policy).map(({ path }) => path)
  const answer = judgeApprovals({
    policy,
    agent: [lease.entry.agent, lease.cast.agent_id, lease.cast.change_request.agent],
    paths,
    sensitive,
    digest,
    checksum: lease.cast.checksum,
    exact: change.exact,
    approvals: storedApprovals(approvals),
  })
  const noop = change.effects.every(({ before, after }) => sameState(before, after))
  const flags = [
    ...(change.repairs.length > 0 ? ["repaired"] : []),
    ...(change.repairs.some((repair) => repair.kind === "relocation") ? ["relocated"] : []),
    ...(change.rebased.length > 0 ? ["rebased"] : []),
    ...(noop ? ["noop"] : []),
    ...(answer.survived ? ["survived_rebase"] : []),
    ...(policy.approvals.unattended ? ["unattended"] : []),
  ]
  return ok({ lease, change, digest, sensitive, flags, answer, approvals, noop } satisfies Candidacy)
})

const sameState = (left: FileState | null, right: FileState | null): boolean =>
  left === right ||
  (left !== null && right !== null && left.mode === right.mode && contentHash(left) === contentHash(right))

const refusal = (lease: Lease, { kind, path, problem, packet }: EffectsProblem): Refusal => ({
  lease,
  kind,
  report: {
    schema_version: 1,
    code: kind === "conflict" ? "conflict" : problem.code,
    message: `${path}: ${problem.message}`,
    where: `${path}${problem.hunk === undefined ? "" : `, hunk ${problem.hunk}`}${problem.line === undefined ? "" : `, line ${problem.line}`}`,
    hint: problem.hint,
    evidence: [
      ...(problem.expected === undefined ? [] : [`expected: ${problem.expected}`]),
      ...(problem.found === undefined ? [] : [`found: ${problem.found}`]),
    ],
    conflicts: [packet],
  },
})

/** The commits of these entries on a base, null when they change nothing. A step that does not fit the tree's shape names its entry. */
export const planChain = (
  base: Pick<Base, "commit" | "tree">,
  entries: readonly Candidacy[],
  committer: Committer,
  trees: TreeReader,
): Result<ApplyPlan | null, Refusal> => {
  const steps = stepsOf(entries, committer)
  if (steps.length === 0) return ok(null)
  const planned = planLanding({ baseCommit: base.commit, baseTree: base.tree, steps }, trees)
  if (planned.ok) return planned
  const { entryId, kind, path, message } = planned.error
  // Every problem of a chain with steps names one of them.
  const entry = entries.find(({ lease }) => String(lease.entry.id) === entryId) ?? entries[0]!
  const conflict = kind === "file_in_the_way" || kind === "directory_in_the_way" || kind === "absent"
  return fail({
    lease: entry.lease,
    kind: conflict ? "conflict" : "invalid",
    report: {
      schema_version: 1,
      code: kind,
      message,
      where: path,
      hint: "Make the change again on the current content.",
      evidence: [],
    },
  })
}

const stepsOf = (entries: readonly Candidacy[], committer: Committer): readonly LandingStep[] =>
  entries
    .filter((entry) => !entry.noop)
    .map((entry) => ({
      entryId: String(entry.lease.entry.id),
      effects: entry.change.effects,
      ...commitOf(entry.lease.cast, committer, [
        ...new Set(entry.answer.counted.map(({ approver }) => approver)),
      ]),
    }))

/** Paths whose trees `planChain` needs loaded. */
export const pathsOf = (entries: readonly Candidacy[]): readonly string[] =>
  touchedPaths(entries.map((entry) => ({ effects: entry.change.effects }) as LandingStep))

/** The stored proof: what an approver is shown, and what the receipt is made from. */
export const verificationBody = (
  entry: Candidacy,
  guardOutputs: VerificationBody["guard_outputs"],
  flags: readonly string[],
  policyDigest: string | null,
): VerificationBody => ({
  effects: verifiedEffects(entry.change.effects),
  sensitive: [...entry.sensitive],
  repairs: entry.change.repairs.map((repair) => ({ ...repair })),
  flags: [...entry.flags, ...flags],
  guard_outputs: [...guardOutputs],
  exact: entry.change.exact,
  policy: policyDigest,
})
