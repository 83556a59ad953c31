import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import type { GuardOutput } from "../domain/guard.ts"
import type { FailureReport } from "../domain/receipt.ts"
import { parseVerificationBody } from "../domain/verification.ts"
import { freezeOf, freezeText } from "../queue/freeze.ts"
import type { Lease } from "../queue/lease.ts"
import { payloadOf } from "../queue/lease.ts"
import { QueueService } from "../queue/QueueService.ts"
import type { EntryRow } from "../queue/queue.sql.ts"
import {
  approvalsOf,
  dependenciesOf,
  verificationOf as storedProof,
  type VerificationRow,
} from "../queue/read.ts"
import { type Settlement, settleAll } from "../queue/settle.ts"
import { type Base, currentBase } from "./base.ts"
import { considerBatch, planOn } from "./consider.ts"
import { makeOverlay } from "./files.ts"
import { isOurs, landChain } from "./land.ts"
import { type Candidacy, considerEntry } from "./plan.ts"
import { guardsFor, prove, type Verdict } from "./prove.ts"
import { type Happening, IDLE, type Turn } from "./report.ts"
import { happening, verificationOf } from "./settlements.ts"

export interface TurnOptions {
  readonly worker: string
  /** Also run the checks that the changes name. */
  readonly runChecks: boolean
  /** Overrules `queue.batch`. */
  readonly limit?: number | undefined
  /** Works on this entry alone. */
  readonly only?: number | undefined
  /** Overrules the attempts an entry was queued with. */
  readonly maxAttempts?: number | undefined
}

/** Waiting for what is not the change's fault: asked again after this long. */
const BLOCKED_RETRY_MS = 10_000
const RETRY_BASE_MS = 1_000
const RETRY_MAX_MS = 300_000

const UNGUARDED: Extract<Verdict, { kind: "green" }> = { kind: "green", outputs: [], flags: ["unguarded"] }

/** Leases a batch, computes it in memory, proves it, and lands what is proven and approved. */
export const leasedTurn = Effect.fn("worker.leasedTurn")(function* (options: TurnOptions) {
  const queue = yield* QueueService
  const base = yield* currentBase()
  const { policy } = base.policy
  const leaseMs = policy.queue.lease_seconds * 1_000
  // With guards every entry is proven on its own; without them a whole chain lands in one move of the branch.
  const limit = policy.guards.length > 0 ? 1 : (options.limit ?? policy.queue.batch)
  const leases = yield* queue.lease(options.worker, leaseMs, limit, options.only)
  if (leases.length === 0) return IDLE
  const work = workOn(leases, base, options).pipe(
    Effect.onInterrupt(() => giveBack(leases, { code: "stopped", text: "the worker was stopped" })),
    Effect.tapError((error) => giveBack(leases, { code: "worker_error", text: error.message })),
  )
  const renewing = Effect.zipRight(Effect.sleep(leaseMs / 3), Effect.ignore(queue.renew(leases, leaseMs)))
  // In this very fiber, so that an interruption waits for what was given back before the database closes.
  return yield* Effect.scoped(Effect.zipRight(Effect.forkScoped(Effect.forever(renewing)), work))
})

/** Returns what is still ours, attempts uncharged: the change is not to blame for what happened to the worker. */
const giveBack = (leases: readonly Lease[], reason: { readonly code: string; readonly text: string }) =>
  Effect.ignore(
    Effect.flatMap(QueueService, (queue) =>
      queue.transact((db, at) =>
        settleAll(
          db,
          leases
            .filter((lease) => isOurs(db, lease))
            .map((lease): Settlement => ({ to: "pending", lease, reason })),
          at,
        ),
      ),
    ),
  )

const workOn = Effect.fn("worker.workOn")(function* (
  leases: readonly Lease[],
  base: Base,
  options: TurnOptions,
) {
  const queue = yield* QueueService
  const considered = yield* considerBatch(leases, base)
  const settlements: Settlement[] = [...considered.settlements]
  const happenings: Happening[] = [...considered.happenings]
  const [only] = [...considered.ready, ...considered.waiting]
  let verdict: Verdict = UNGUARDED
  // Guards apply to batches of one only: what they judge is the very tree that would land.
  if (only !== undefined && leases.length === 1) verdict = yield* proveEntry(only, base, options)
  if (only !== undefined && verdict.kind !== "green") {
    const settled = yield* notGreen(only.lease, verdict, options)
    yield* queue.settle([...settlements, settled.settlement])
    return { happenings: [...happenings, settled.happening], busy: true } satisfies Turn
  }
  const { outputs, flags } = verdict.kind === "green" ? verdict : UNGUARDED

  for (const entry of considered.waiting) {
    const own = yield* planOn(base, [entry])
    const tree = own.ok ? (own.value?.tipTree ?? base.tree) : base.tree
    const reason = { code: "approval_missing", text: entry.answer.missing }
    const verification = verificationOf(entry, base, tree, outputs, flags)
    settlements.push({ to: "awaiting_approval", lease: entry.lease, verification, reason })
    happenings.push(happening(entry.lease, "waiting", reason.code, `waits for ${reason.text}`))
  }
  const stay = yield* staysProven(base)
  if (stay !== null)
    for (const entry of considered.ready) {
      const own = yield* planOn(base, [entry])
      const tree = own.ok ? (own.value?.tipTree ?? base.tree) : base.tree
      const reason = { code: stay.code, text: `it is proven and stays as it is: ${stay.text}` }
      settlements.push({
        to: "verified",
        lease: entry.lease,
        verification: verificationOf(entry, base, tree, outputs, flags),
        reason,
      })
      happenings.push(happening(entry.lease, "waiting", stay.code, reason.text))
    }
  if (settlements.length > 0) yield* queue.settle(settlements)
  if (stay !== null || considered.ready.length === 0) return { happenings, busy: true } satisfies Turn
  const { ready, plan } = considered
  const outcome = yield* landChain({ base, entries: ready, plan, outputs, flags, from: "leased" })
  return { happenings: [...happenings, ...outcome.happenings], busy: true } satisfies Turn
})

/** Why nothing lands just now, however well it is proven; null when it may. */
const staysProven = Effect.fn("worker.staysProven")(function* (base: Base) {
  if (base.policy.policy.landing.mode === "preview")
    return { code: "preview", text: "landing.mode is preview" }
  const freeze = yield* Effect.flatMap(QueueService, (queue) => queue.read(freezeOf))
  return freeze && { code: "frozen", text: freezeText(freeze) }
})

const proveEntry = Effect.fn("worker.proveEntry")(function* (
  entry: Candidacy,
  base: Base,
  options: TurnOptions,
) {
  const changedPaths = entry.change.effects.map((effect) => effect.path)
  const checks = options.runChecks ? entry.lease.cast.change_request.checks : []
  const { policy } = base.policy
  if (entry.noop || guardsFor({ policy, changedPaths, checks }).length === 0) return UNGUARDED
  const plan = yield* planOn(base, [entry])
  if (!plan.ok || plan.value === null) return UNGUARDED
  return yield* prove({
    policy,
    candidate: { tree: plan.value.tipTree, base: base.commit, objects: plan.value.objects },
    baseTree: base.tree,
    changedPaths,
    checks,
  })
})

/**
 * Lands entries that were proven earlier and have their approvals now; those proven on an older base are proven again.
 * `skip` holds entries that were blocked a moment ago.
 */
export const provenTurn = Effect.fn("worker.provenTurn")(function* (
  options: TurnOptions,
  skip: (id: number) => boolean,
) {
  const queue = yield* QueueService
  const base = yield* currentBase()
  const { policy } = base.policy
  const ready = (yield* queue.proven(policy.queue.batch)).filter(
    (row) => !skip(row.id) && (options.only === undefined || row.id === options.only),
  )
  const rows = yield* queue.read((db) => inOrder(ready, (id) => dependenciesOf(db, id)))
  if (rows.length === 0) return { ...IDLE, blocked: [] as readonly number[] }
  const stay = yield* staysProven(base)
  if (stay !== null) {
    const text = `it is proven and approved, and stays as it is: ${stay.text}`
    yield* queue.explain(
      rows.map((row) => row.id),
      { code: stay.code, text },
    )
    return { ...IDLE, blocked: [] as readonly number[] }
  }
  const proofs = yield* queue.read((db) => rows.map((row) => ({ row, proof: storedProof(db, row.id) })))
  const stale = proofs.filter(({ proof }) => isStale(proof, base))
  if (stale.length > 0) {
    const ids = stale.map(({ row }) => row.id)
    yield* queue.baseMoved(ids, options.worker, { base: base.commit })
    return { happenings: [], busy: true, blocked: [] as readonly number[] }
  }
  // One at a time under guards: the second would land on a tree that nobody ran them on.
  const chosen = policy.guards.length > 0 ? proofs.slice(0, 1) : proofs
  return yield* landProven(chosen as readonly Proven[], base, options)
})

/** Those whose dependencies have landed or can land before them in the same chain, in an order that allows it. */
const inOrder = (
  rows: readonly EntryRow[],
  dependencies: (id: number) => readonly EntryRow[],
): readonly EntryRow[] => {
  const ordered: EntryRow[] = []
  const isMet = (on: EntryRow) => on.state === "applied" || ordered.some(({ id }) => id === on.id)
  for (let left = rows; ; ) {
    const next = left.filter((row) => row.blockers === 0 || dependencies(row.id).every(isMet))
    if (next.length === 0) return ordered
    ordered.push(...next)
    left = left.filter((row) => !next.includes(row))
  }
}

const isStale = (proof: VerificationRow | null, base: Base): boolean =>
  proof === null ||
  proof.base_commit !== base.commit ||
  // The files may change under a branch that stays.
  (base.policy.policy.landing.mode === "worktree" && proof.base_tree !== base.tree)

interface Proven {
  readonly row: EntryRow
  readonly proof: VerificationRow
}

const landProven = Effect.fn("worker.landProven")(function* (
  chosen: readonly Proven[],
  base: Base,
  options: TurnOptions,
) {
  const queue = yield* QueueService
  const { policy } = base.policy
  const casts = yield* queue.read((db) => chosen.map(({ row }) => payloadOf(db, row.id)))
  const paths = casts.flatMap((cast) => cast?.change_request.changes.map((change) => change.path) ?? [])
  const overlay = yield* makeOverlay(base.tree, [...new Set(paths)], policy.paths)
  const entries: Candidacy[] = []
  const moved: number[] = []
  for (const [index, { row }] of chosen.entries()) {
    const cast = casts[index]
    if (!cast) continue
    const lease: Lease = {
      entry: row,
      cast,
      worker: options.worker,
      token: row.lease_token,
      until: 0,
      attempt: row.attempts,
    }
    const approvals = yield* queue.read((db) => approvalsOf(db, { entryId: row.id }))
    const considered = yield* considerEntry(lease, overlay, policy, approvals)
    // What changed since it was proven (another one of this batch, the policy, a withdrawn approval) sends it back.
    if (!considered.ok || !considered.value.answer.satisfied) {
      moved.push(row.id)
      continue
    }
    entries.push(considered.value)
    for (const { path, after } of considered.value.change.effects) overlay.put(path, after)
  }
  if (moved.length > 0) yield* queue.baseMoved(moved, options.worker, { base: base.commit })
  if (entries.length === 0)
    return { happenings: [], busy: moved.length > 0, blocked: [] as readonly number[] }
  const plan = yield* planOn(base, entries)
  const guarded = policy.guards.length > 0
  if (!plan.ok || (guarded && (plan.value?.tipTree ?? base.tree) !== chosen[0]!.proof.result_tree)) {
    const ids = entries.map(({ lease }) => lease.entry.id)
    yield* queue.baseMoved(ids, options.worker, { base: base.commit })
    return { happenings: [], busy: true, blocked: [] as readonly number[] }
  }
  const body = parseVerificationBody(chosen[0]!.proof.body)
  const outputs = guarded && body.ok ? body.value.guard_outputs : []
  const own = new Set(entries[0]!.flags)
  const flags = body.ok ? body.value.flags.filter((flag) => !own.has(flag)) : []
  const outcome = yield* landChain({ base, entries, plan: plan.value, outputs, flags, from: "proven" })
  const { happenings, blocked } = outcome
  return { happenings, busy: blocked.length < entries.length, blocked }
})

/** Exponential, with jitter, so that entries that failed together do not come back together. */
const backoff = (attempt: number) =>
  Effect.map(Random.next, (random) =>
    Math.round(Math.min(RETRY_MAX_MS, RETRY_BASE_MS * 2 ** attempt) * (0.5 + random / 2)),
  )

/** Red blames the change; a red base and broken infrastructure blame nobody. */
const notGreen = Effect.fn("worker.notGreen")(function* (
  lease: Lease,
  verdict: Exclude<Verdict, { kind: "green" }>,
  { maxAttempts }: TurnOptions,
) {
  const at = yield* Clock.currentTimeMillis
  const result = (settlement: Settlement, told: Happening) => ({ settlement, happening: told })
  switch (verdict.kind) {
    case "red": {
      const report = redReport(verdict.output)
      return result(
        { to: "failed", lease, reasonClass: "guard", report },
        happening(lease, "failed", report.code, report.message),
      )
    }
    case "base_red": {
      const text = `guard ${verdict.output.guard_id} is red on the base too: it waits until the base is repaired`
      const reason = { code: "base_red", text }
      return result(
        { to: "scheduled", lease, runAt: at + BLOCKED_RETRY_MS, charged: false, reason },
        happening(lease, "blocked", reason.code, text),
      )
    }
    case "infra": {
      const allowed = maxAttempts ?? lease.entry.max_attempts
      if (lease.attempt >= allowed) {
        const report = infraReport(verdict, lease.attempt)
        return result(
          { to: "failed", lease, reasonClass: "attempts", report },
          happening(lease, "failed", report.code, report.message),
        )
      }
      const runAt = at + (yield* backoff(lease.attempt))
      const reason = { code: verdict.code, text: `${verdict.message}; hint: ${verdict.hint}` }
      return result(
        { to: "scheduled", lease, runAt, charged: true, maxAttempts: allowed, reason },
        happening(lease, "retry", reason.code, reason.text),
      )
    }
  }
})

const infraReport = (
  { code, message, hint, output }: Extract<Verdict, { kind: "infra" }>,
  attempts: number,
): FailureReport => ({
  schema_version: 1,
  code,
  message,
  where: `attempt ${attempts}`,
  hint,
  evidence: [],
  ...(output && { stdout_tail: output.stdout_tail, stderr_tail: output.stderr_tail }),
})

const redReport = (output: GuardOutput): FailureReport => ({
  schema_version: 1,
  code: "guard_failed",
  message: `guard ${output.guard_id} failed with exit code ${output.exit_code ?? "none"}`,
  where: `guard ${output.guard_id}: ${output.command.join(" ")}`,
  hint:
    output.log_sha256 === null
      ? "a new answer to the task takes its place"
      : `the whole log is .hyperion/logs/${output.log_sha256}.log; a new answer to the task takes its place`,
  evidence: [`tree ${output.tree}`, `${output.duration_ms} ms, sandbox ${output.sandbox}`],
  stdout_tail: output.stdout_tail,
  stderr_tail: output.stderr_tail,
})
