import * as Effect from "effect/Effect"
import type { CastPayload } from "../domain/cast.ts"
import { fail } from "../domain/result.ts"
import { parseVerificationBody, type VerificationBody } from "../domain/verification.ts"
import { freezeOf, freezeText } from "../queue/freeze.ts"
import { type Lease, payloadOf } from "../queue/lease.ts"
import { QueueService } from "../queue/QueueService.ts"
import type { EntryRow } from "../queue/queue.sql.ts"
import { approvalsOf, dependenciesOf, type VerificationRow, verificationOf } from "../queue/read.ts"
import { entryRow } from "../queue/transition.ts"
import { type Base, currentBase } from "./base.ts"
import { planOn } from "./consider.ts"
import { makeOverlay } from "./files.ts"
import { landChain } from "./land.ts"
import type { TurnOptions } from "./options.ts"
import { type Candidacy, considerEntry } from "./plan.ts"
import { UNGUARDED, verdictIn } from "./prove.ts"
import { IDLE, type Turn } from "./report.ts"

/** Why nothing lands just now, however well it is proven; null when it may. */
export const staysProven = Effect.fn("worker.staysProven")(function* (base: Base) {
  if (base.policy.policy.landing.mode === "preview")
    return { code: "preview", text: "landing.mode is preview" }
  const freeze = yield* Effect.flatMap(QueueService, (queue) => queue.read(freezeOf))
  return freeze && { code: "frozen", text: freezeText(freeze) }
})

/** A turn over proven entries. */
export interface ProvenTurn extends Turn {
  /** Entries that the operator's working tree, or whoever is landing, is in the way of. */
  readonly blocked: readonly number[]
}

const NOTHING: ProvenTurn = { ...IDLE, blocked: [] }
const AGAIN: ProvenTurn = { happenings: [], busy: true, blocked: [] }

/**
 * Lands entries that were proven earlier and have their approvals now; those proven on an older base, or under another
 * policy, are proven again. `skip` holds entries that were blocked a moment ago.
 */
export const provenTurn = Effect.fn("worker.provenTurn")(function* (
  options: TurnOptions,
  skip: ReadonlySet<number>,
) {
  const queue = yield* QueueService
  const base = yield* currentBase()
  const { policy } = base.policy
  const ready = yield* waitingToLand(options, policy.queue.batch, skip)
  const rows = yield* queue.read((db) => inOrder(ready, (id) => dependenciesOf(db, id)))
  if (rows.length === 0) return NOTHING
  const stay = yield* staysProven(base)
  if (stay !== null) {
    const ids = rows.map((row) => row.id)
    const text = `it is proven and approved, and stays as it is: ${stay.text}`
    yield* queue.explain(ids, { code: stay.code, text })
    return NOTHING
  }
  const stored = yield* queue.read((db) => rows.map((row) => ({ row, proof: verificationOf(db, row.id) })))
  const proven: Proven[] = []
  const stale: number[] = []
  for (const { row, proof } of stored) {
    const body = parseVerificationBody(proof?.body ?? "")
    if (proof !== null && body.ok && holds(proof, body.value, base))
      proven.push({ row, proof, body: body.value })
    else stale.push(row.id)
  }
  if (stale.length > 0) {
    yield* queue.baseMoved(stale, options.worker, { base: base.commit })
    return AGAIN
  }
  // One at a time under guards: the second would land on a tree that nobody ran them on.
  return yield* landProven(policy.guards.length > 0 ? proven.slice(0, 1) : proven, base, options)
})

/** The first proven entries that are not to be skipped, however many of those come before them. */
const waitingToLand = Effect.fn("worker.waitingToLand")(function* (
  { only }: TurnOptions,
  limit: number,
  skip: ReadonlySet<number>,
) {
  const queue = yield* QueueService
  if (only === undefined) {
    const rows = yield* queue.proven(limit + skip.size)
    return rows.filter(({ id }) => !skip.has(id)).slice(0, limit)
  }
  const row = skip.has(only) ? null : yield* queue.read((db) => entryRow(db, only))
  return row?.state === "verified" && !row.held ? [row] : []
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

/** Whether a proof is about what would land now, and answers what this policy asks. */
const holds = (proof: VerificationRow, body: VerificationBody, base: Base): boolean =>
  proof.base_commit === base.commit &&
  body.policy === base.policy.digest &&
  // The files may change under a branch that stays.
  (base.policy.policy.landing.mode !== "worktree" || proof.base_tree === base.tree)

interface Proven {
  readonly row: EntryRow
  readonly proof: VerificationRow
  readonly body: VerificationBody
}

const landProven = Effect.fn("worker.landProven")(function* (
  chosen: readonly Proven[],
  base: Base,
  options: TurnOptions,
) {
  const queue = yield* QueueService
  const { policy } = base.policy
  const { entries, misfits } = yield* considerProven(chosen, base, options.worker)
  if (misfits.length > 0) yield* queue.baseMoved(misfits, options.worker, { base: base.commit })
  if (entries.length === 0) return { ...AGAIN, busy: misfits.length > 0 }
  const plan = yield* planOn(base, entries)
  const guarded = policy.guards.length > 0
  const { proof, body } = chosen[0]!
  if (!plan.ok || (guarded && (plan.value?.tipTree ?? base.tree) !== proof.result_tree)) {
    const ids = entries.map(({ lease }) => lease.entry.id)
    yield* queue.baseMoved(ids, options.worker, { base: base.commit })
    return AGAIN
  }
  const { outputs, flags } = guarded ? verdictIn(body) : UNGUARDED
  const outcome = yield* landChain({ base, entries, plan: plan.value, outputs, flags, from: "proven" })
  return { ...outcome, busy: true } satisfies ProvenTurn
})

/**
 * Computes proven entries once more, in order. What changed since (another one of this batch, a withdrawn approval, a
 * damaged payload) makes a misfit, to be proven again; what depends on one stays as it is.
 */
const considerProven = Effect.fn("worker.considerProven")(function* (
  chosen: readonly Proven[],
  base: Base,
  worker: string,
) {
  const queue = yield* QueueService
  const { policy } = base.policy
  const casts = yield* queue.read((db) => chosen.map(({ row }) => payloadOf(db, row.id)))
  const paths = casts.flatMap((cast) => cast?.change_request.changes.map((change) => change.path) ?? [])
  const overlay = yield* makeOverlay(base.tree, [...new Set(paths)], policy.paths)
  const entries: Candidacy[] = []
  const misfits: number[] = []
  const out = new Set<string>()
  for (const [index, { row }] of chosen.entries()) {
    const cast = casts[index]
    if (cast?.change_request.depends_on?.some((task) => out.has(task))) {
      out.add(row.task_id)
      continue
    }
    const approvals = yield* queue.read((db) => approvalsOf(db, { entryId: row.id }))
    const lease = (payload: CastPayload): Lease => ({
      entry: row,
      cast: payload,
      worker,
      token: row.lease_token,
      until: 0,
      attempt: row.attempts,
    })
    const considered =
      cast?.checksum === row.checksum
        ? yield* considerEntry(lease(cast), overlay, policy, approvals)
        : fail("payload_unreadable" as const)
    if (!considered.ok || !considered.value.answer.satisfied) {
      out.add(row.task_id)
      misfits.push(row.id)
      continue
    }
    entries.push(considered.value)
    for (const { path, after } of considered.value.change.effects) overlay.put(path, after)
  }
  return { entries, misfits }
})
