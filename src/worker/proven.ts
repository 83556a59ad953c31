import * as Effect from "effect/Effect"
import type { CastPayload } from "../domain/cast.ts"
import { fail } from "../domain/result.ts"
import { parseVerificationBody } from "../domain/verification.ts"
import { type Lease, payloadOf } from "../queue/lease.ts"
import { QueueService } from "../queue/QueueService.ts"
import type { EntryRow } from "../queue/queue.sql.ts"
import { approvalsOf, dependenciesOf, verificationOf } from "../queue/read.ts"
import { entryRow } from "../queue/transition.ts"
import type { Base } from "./base.ts"
import { planOn } from "./consider.ts"
import { isGuarded, type LineWork, treeKey, type WorkerContext } from "./context.ts"
import { makeOverlay } from "./files.ts"
import { groupOf } from "./line.ts"
import type { TurnOptions } from "./options.ts"
import { type Candidacy, considerEntry } from "./plan.ts"
import { verdictIn } from "./prove.ts"
import { staysProven } from "./stay.ts"

/**
 * Proven entries that have their approvals and land next; null when there are none, `again` when some were sent back to
 * be proven anew. Where a single one's proof is about the very tree that would land, it is known. `skip` holds entries
 * that were blocked a moment ago.
 */
export const provenWork = Effect.fn("worker.provenWork")(function* (
  context: WorkerContext,
  base: Base,
  skip: ReadonlySet<number>,
) {
  const queue = yield* QueueService
  const { policy } = base.policy
  const waiting = yield* waitingToLand(context.options, policy.queue.batch, skip)
  const rows = yield* queue.read((db) => inOrder(waiting, (id) => dependenciesOf(db, id)))
  if (rows.length === 0) return null
  const stay = yield* staysProven(base)
  if (stay !== null) {
    const ids = rows.map((row) => row.id)
    const text = `it is proven and approved, and stays as it is: ${stay.text}`
    yield* queue.explain(ids, { code: stay.code, text })
    return null
  }
  const { entries: fitting, misfits } = yield* considerProven(rows, base, context.options.worker)
  const sendBack = (ids: readonly number[]) =>
    Effect.as(queue.baseMoved(ids, context.options.worker, { base: base.commit }), "again" as const)
  if (misfits.length > 0) yield* sendBack(misfits)
  if (fitting.length === 0) return misfits.length > 0 ? "again" : null
  const entries = groupOf(context, fitting.slice(0, context.options.limit), policy)
  const plan = yield* planOn(base, entries)
  if (!plan.ok) return yield* sendBack([plan.error.lease.entry.id])
  const [first] = entries
  const stored = entries.length === 1 ? yield* knownOf(first!, plan.value?.tipTree ?? base.tree, base) : null
  const known = stored ?? context.greens.get(treeKey(base, plan.value)) ?? null
  if (known === null && isGuarded(entries, base, context.options))
    yield* queue.explain(
      entries.map(({ lease }) => lease.entry.id),
      { code: "proving_again", text: "it is proven again, on the base and with the entries it lands with" },
    )
  return { base, entries, plan: plan.value, from: "proven", known } satisfies LineWork
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

/** What the guards said of this very tree under this policy, for this entry alone; null when they have not seen it. */
const knownOf = Effect.fn("worker.knownOf")(function* (entry: Candidacy, tree: string, base: Base) {
  const queue = yield* QueueService
  const proof = yield* queue.read((db) => verificationOf(db, entry.lease.entry.id))
  const body = parseVerificationBody(proof?.body ?? "")
  if (proof === null || !body.ok || proof.result_tree !== tree || body.value.policy !== base.policy.digest)
    return null
  const isHere =
    proof.base_commit === base.commit &&
    // The files may change under a branch that stays.
    (base.policy.policy.landing.mode !== "worktree" || proof.base_tree === base.tree)
  return isHere ? verdictIn(body.value) : null
})

/**
 * Computes proven entries once more, in order. What changed since (another one of this batch, a withdrawn approval, a
 * damaged payload) makes a misfit, to be proven again; what depends on one stays as it is.
 */
const considerProven = Effect.fn("worker.considerProven")(function* (
  rows: readonly EntryRow[],
  base: Base,
  worker: string,
) {
  const queue = yield* QueueService
  const { policy } = base.policy
  const casts = yield* queue.read((db) => rows.map((row) => payloadOf(db, row.id)))
  const paths = casts.flatMap((cast) => cast?.change_request.changes.map((change) => change.path) ?? [])
  const overlay = yield* makeOverlay(base.tree, [...new Set(paths)], policy.paths)
  const entries: Candidacy[] = []
  const misfits: number[] = []
  const out = new Set<string>()
  for (const [index, row] of rows.entries()) {
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
