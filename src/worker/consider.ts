import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type { ApplyPlan } from "../apply/plan.ts"
import type { FailureReport } from "../domain/receipt.ts"
import { GitRepository } from "../platform/git/GitRepository.ts"
import type { Lease } from "../queue/lease.ts"
import { QueueService } from "../queue/QueueService.ts"
import { approvalsOf, dependenciesOf } from "../queue/read.ts"
import type { Settlement } from "../queue/settle.ts"
import type { Base } from "./base.ts"
import { makeOverlay } from "./files.ts"
import { type Candidacy, considerEntry, pathsOf, planChain, type Refusal } from "./plan.ts"
import type { Happening } from "./report.ts"
import { happening, refused } from "./settlements.ts"

/** A batch after it was computed in memory: what can land as one chain, what waits for people, what is out. */
export interface Considered {
  readonly ready: readonly Candidacy[]
  /** The commits of `ready`; null when they change nothing, or there are none. */
  readonly plan: ApplyPlan | null
  readonly waiting: readonly Candidacy[]
  readonly settlements: readonly Settlement[]
  readonly happenings: readonly Happening[]
}

const refusalHappening = (lease: Lease, kind: "conflict" | "invalid", report: FailureReport): Happening =>
  happening(lease, kind === "conflict" ? "conflict" : "failed", report.code, report.message)

const strandedBy = (lease: Lease, task: string): Settlement => ({
  to: "pending",
  lease,
  reason: { code: "waiting_for_dependency", text: `it depends on task ${task}, which did not land with it` },
})

/** The commits of a chain on the base; null when it changes nothing. */
export const planOn = Effect.fn("worker.planOn")(function* (base: Base, entries: readonly Candidacy[]) {
  const git = yield* GitRepository
  const who = yield* git.identity
  const seconds = Math.floor((yield* Clock.currentTimeMillis) / 1000)
  const trees = yield* git.treesAlong(base.tree, pathsOf(entries))
  return planChain(base, entries, { ...who, seconds, offset: "+0000" }, trees)
})

/** It does not fit behind what may land before it, and that may yet not land: it is decided on what is there then. */
export const behind = (lease: Lease): Settlement => ({
  to: "pending",
  lease,
  reason: {
    code: "behind_another",
    text: "it does not fit behind what is landing: it is tried again after it",
  },
})

/**
 * Computes every entry on the tree that its landing predecessors leave. One that does not fit is out, and so is, for
 * now, whatever in the batch depends on it.
 */
export const considerBatch = Effect.fn("worker.considerBatch")(function* (
  leases: readonly Lease[],
  base: Base,
) {
  const settlements: Settlement[] = []
  const happenings: Happening[] = []
  const refuse = ({ lease, kind, report }: Refusal) => {
    settlements.push(refused(lease, kind, report))
    happenings.push(refusalHappening(lease, kind, report))
  }
  /** Tasks that do not land with this batch. */
  const out = new Set<string>()
  for (let left = leases; ; ) {
    const { ready, waiting, refusals, givenBack } = yield* considerOnce(left, base, out)
    for (const refusal of refusals) refuse(refusal)
    settlements.push(...givenBack)
    const planned = yield* planOn(base, ready)
    if (planned.ok) {
      const shapeless = yield* misfits(base, ready, waiting)
      for (const refusal of shapeless) refuse(refusal)
      const fitting = waiting.filter(({ lease }) => !shapeless.some((refusal) => refusal.lease === lease))
      return { ready, plan: planned.value, waiting: fitting, settlements, happenings } satisfies Considered
    }
    // It fits the files but not the shape of the tree (a file where a folder would be): take it out and compute again.
    const { lease } = planned.error
    const alone = yield* planOn(
      base,
      ready.filter((entry) => entry.lease === lease),
    )
    if (alone.ok) settlements.push(behind(lease))
    else refuse(planned.error)
    out.add(lease.cast.task_id)
    const settled = new Set(settlements.map((settlement) => settlement.lease))
    left = left.filter((one) => !settled.has(one))
  }
})

/** Entries without their approvals that cannot be part of the tree, however they land: nobody need be asked about them. */
const misfits = Effect.fn("worker.misfits")(function* (
  base: Base,
  ready: readonly Candidacy[],
  waiting: readonly Candidacy[],
) {
  const found: Refusal[] = []
  for (const entry of waiting) {
    const alone = yield* planOn(base, [entry])
    if (alone.ok) continue
    const last = yield* planOn(base, [...ready, entry])
    if (!last.ok) found.push(last.error)
  }
  return found
})

const considerOnce = Effect.fn("worker.considerOnce")(function* (
  leases: readonly Lease[],
  base: Base,
  out: Set<string>,
) {
  const queue = yield* QueueService
  const { policy } = base.policy
  const paths = leases.flatMap((lease) => lease.cast.change_request.changes.map((change) => change.path))
  const overlay = yield* makeOverlay(base.tree, [...new Set(paths)], policy.paths)
  const ready: Candidacy[] = []
  const waiting: Candidacy[] = []
  const refusals: Refusal[] = []
  const givenBack: Settlement[] = []
  const touched = new Set<string>()
  for (const lease of leases) {
    const { task_id: task, change_request: request } = lease.cast
    // What it depends on may have been refused, or wait for people, since they were leased together.
    const needs =
      lease.entry.blockers > 0 ? yield* queue.read((db) => dependenciesOf(db, lease.entry.id)) : []
    const open = needs.find(
      ({ id, state }) => state !== "applied" && !ready.some((one) => one.lease.entry.id === id),
    )
    const missing = open?.task_id ?? request.depends_on?.find((on) => out.has(on))
    if (missing !== undefined) {
      out.add(task)
      givenBack.push(strandedBy(lease, missing))
      continue
    }
    const approvals = yield* queue.read((db) => approvalsOf(db, { entryId: lease.entry.id }))
    const considered = yield* considerEntry(lease, overlay, policy, approvals)
    if (!considered.ok) {
      out.add(task)
      if (request.changes.some(({ path }) => touched.has(path))) givenBack.push(behind(lease))
      else refusals.push(considered.error)
      continue
    }
    const entry = considered.value
    if (!entry.answer.satisfied) {
      out.add(task)
      waiting.push(entry)
      continue
    }
    ready.push(entry)
    // Only what is going to land lies under the entries behind it.
    for (const { path, after } of entry.change.effects) {
      overlay.put(path, after)
      touched.add(path)
    }
  }
  return { ready, waiting, refusals, givenBack }
})
