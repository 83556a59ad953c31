import * as Effect from "effect/Effect"
import { decisionDigest, digestOfProof } from "../approval/binding.ts"
import { ApprovalRefused } from "../approval/errors.ts"
import { type ApprovalQuestion, judgeApprovals, personKey } from "../approval/rules.ts"
import { storedApprovals } from "../approval/stored.ts"
import type { CastPayload } from "../domain/cast.ts"
import type { EntryState } from "../domain/entry.ts"
import type { GuardOutput } from "../domain/guard.ts"
import type { Policy } from "../domain/policy.ts"
import { sensitivePaths } from "../domain/sensitive.ts"
import { parseVerificationBody, type VerificationBody, type VerifiedEffect } from "../domain/verification.ts"
import { bindingOf } from "../queue/approve-all.ts"
import { payloadOf } from "../queue/lease.ts"
import { QueueService } from "../queue/QueueService.ts"
import type { EntryRow } from "../queue/queue.sql.ts"
import { approvalsOf, verificationOf } from "../queue/read.ts"

/** What landing does to one path; before there is a proof its mode is not known. */
export type ReviewedPath = Pick<VerifiedEffect, "path" | "operation"> & { readonly mode: string | null }

/** Everything a person must see of one entry before approving it. */
export interface EntryReview {
  readonly entry_id: number
  readonly task_id: string
  readonly request_id: string
  readonly agent: string
  readonly intent: string
  /** Author the commit will carry when the change names one itself (it was proposed from a commit); null otherwise. */
  readonly author: string | null
  readonly state: EntryState
  /** `intent`: nothing is proven yet; the approval binds the cast's checksum. */
  readonly binds: "proof" | "intent"
  readonly digest: string
  /** Those that must be named first. */
  readonly paths: readonly ReviewedPath[]
  readonly sensitive: readonly string[]
  readonly flags: readonly string[]
  readonly repairs: readonly { readonly path: string; readonly kind: string; readonly detail: string }[]
  readonly guards: readonly Pick<GuardOutput, "guard_id" | "result" | "duration_ms" | "sandbox">[]
  /** What the document says about approvals. Never counted. */
  readonly claims: readonly { readonly approver: string; readonly note: string | null }[]
  /** Who has approved so far and counts. */
  readonly counted: readonly string[]
  /** What is missing before this decision; empty when nothing is. */
  readonly missing: string
}

/** An entry under review, with the question the approval rules answer about it. */
export interface Reviewed {
  readonly view: EntryReview
  readonly question: Omit<ApprovalQuestion, "approvals">
}

export interface ApprovalReview {
  readonly entries: readonly EntryReview[]
  /** Of a request: entries there is nothing to approve about any more. */
  readonly skipped: readonly { readonly entry_id: number; readonly state: EntryState }[]
  /** Its first digits are typed: the entry's own digest, or one over those of all. */
  readonly digest: string
}

export const reviewOf = (
  reviewed: readonly Reviewed[],
  skipped: ApprovalReview["skipped"],
): ApprovalReview => ({
  entries: reviewed.map(({ view }) => view),
  skipped,
  digest: decisionDigest(reviewed.map(({ view }) => ({ entryId: view.entry_id, digest: view.digest }))),
})

const unreadable = (row: EntryRow, what: string) =>
  new ApprovalRefused({
    reason: "not_readable",
    detail: `${what} of entry ${row.id} cannot be trusted, so nothing can be approved about it`,
    hint: `hyperion audit verify; then hyperion cancel ${row.id} and enqueue its change request again`,
  })

/** The proof, if it is what its digest says: what is shown must be what is bound. */
const proofOf = (row: EntryRow, stored: { approval_digest: string; body: string }) => {
  const body = parseVerificationBody(stored.body)
  return body.ok && digestOfProof(row.checksum, body.value.effects) === stored.approval_digest
    ? Effect.succeed(body.value)
    : unreadable(row, `the proof${body.ok ? "" : ` (${body.error})`}`)
}

/** Looks at one approvable entry: what an approval would bind, and all there is to know before giving it. */
export const reviewEntry = Effect.fn("operations.reviewEntry")(function* (row: EntryRow, policy: Policy) {
  const queue = yield* QueueService
  const { cast, stored, decisions, digest } = yield* queue.read((db) => ({
    cast: payloadOf(db, row.id),
    stored: verificationOf(db, row.id),
    decisions: approvalsOf(db, { entryId: row.id }),
    digest: bindingOf(db, row),
  }))
  if (cast === null || digest === null) return yield* unreadable(row, "the payload")
  const proof = stored !== null && digest === stored.approval_digest ? yield* proofOf(row, stored) : null
  const paths = proof?.effects ?? intendedPaths(cast)
  const sensitive = [
    ...new Set([
      ...(proof?.sensitive ?? []),
      ...sensitivePaths(
        paths.map(({ path }) => path),
        policy,
      ).map(({ path }) => path),
    ]),
  ]
  const question = {
    policy,
    agent: [row.agent, cast.agent_id, cast.change_request.agent],
    paths: paths.map(({ path }) => path),
    sensitive,
    digest,
    checksum: row.checksum,
    exact: proof?.exact ?? true,
  }
  const answer = judgeApprovals({ ...question, approvals: storedApprovals(decisions) })
  const view: EntryReview = {
    entry_id: row.id,
    task_id: row.task_id,
    request_id: row.request_id,
    agent: row.agent,
    intent: cast.change_request.metadata.intent,
    author: authorOf(cast),
    state: row.state,
    binds: proof === null ? "intent" : "proof",
    digest,
    paths: sensitiveFirst(paths, sensitive),
    sensitive,
    flags: flagsOf(proof, policy),
    repairs: proof?.repairs.map(({ path, kind, detail }) => ({ path, kind, detail })) ?? [],
    guards: (proof?.guard_outputs ?? []).map(({ guard_id, result, duration_ms, sandbox }) => ({
      guard_id,
      result,
      duration_ms,
      sandbox,
    })),
    claims: cast.approvals.map(({ approver, note }) => ({ approver, note: note ?? null })),
    counted: answer.counted.map(({ approver }) => approver),
    missing: answer.missing,
  }
  return { view, question } satisfies Reviewed
})

const authorOf = ({ change_request: { provenance } }: CastPayload): string | null =>
  provenance === undefined
    ? null
    : `${provenance.author_name} <${provenance.author_email}>, from commit ${provenance.revision.slice(0, 12)}`

const flagsOf = (proof: VerificationBody | null, policy: Policy): readonly string[] => [
  ...new Set([...(proof?.flags ?? []), ...(policy.approvals.unattended ? ["unattended"] : [])]),
]

/** What the cast asks for: each path once, the last word about it counts. */
const intendedPaths = (cast: CastPayload): readonly ReviewedPath[] => [
  ...new Map(
    cast.change_request.changes.map(({ path, operation }) => [path, { path, operation, mode: null }]),
  ).values(),
]

const sensitiveFirst = (
  paths: readonly ReviewedPath[],
  sensitive: readonly string[],
): readonly ReviewedPath[] => {
  const named = new Set(sensitive)
  return [
    ...paths.filter(({ path }) => named.has(path)),
    ...paths.filter(({ path }) => !named.has(path)),
  ].map(({ path, operation, mode }) => ({ path, operation, mode }))
}

/** Under which of its names the approver made this change; null when under none. */
export const isMaker = ({ question }: Reviewed, approver: string): boolean =>
  [question.agent].flat().some((name) => personKey(name) === personKey(approver))
