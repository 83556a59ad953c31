import * as Effect from "effect/Effect"
import type { Assignment } from "../domain/assignment.ts"
import type { Change } from "../domain/change-request.ts"
import { isLive } from "../domain/entry.ts"
import type { FileState } from "../domain/files.ts"
import type { RequestId, TaskId } from "../domain/ids.ts"
import type { Receipt } from "../domain/receipt.ts"
import { DEFAULT_PRIORITY } from "../domain/request.ts"
import type { Millis } from "../domain/time.ts"
import type { Document } from "../intake/documents.ts"
import { GitRepository } from "../platform/git/GitRepository.ts"
import { EMPTY_TREE, makeObject } from "../platform/git/objects.ts"
import type { BlobEntry } from "../platform/git/tree-edit.ts"
import { payloadOf } from "../queue/lease.ts"
import { QueueService } from "../queue/QueueService.ts"
import type { EntryRow } from "../queue/queue.sql.ts"
import { entriesOfTask } from "../queue/transition.ts"
import { WrongState } from "./errors.ts"
import { LANDED_BY } from "./landed.sql.ts"
import { landedEntries, receipts } from "./receipt.ts"
import { type Submission, submit } from "./submit.ts"
import { treeChanges } from "./tree-changes.ts"
import { effectsOf, type ProvenEffect } from "./verify-evidence.ts"
import { treeEntry } from "./verify-tree.ts"

/** Which landings are to be undone. */
export type RevertTarget =
  | { readonly kind: "id"; readonly id: string }
  | { readonly kind: "agent"; readonly agent: string; readonly since: Millis }

export interface Reverted {
  /** The landing that is undone. */
  readonly entry_id: number
  readonly changes: readonly Pick<Change, "path" | "operation">[]
  readonly submission: Submission
}

export interface RevertReport {
  readonly request_id: string
  /** In the order in which they will land: the newest landing is undone first. */
  readonly reverted: readonly Reverted[]
  readonly skipped: readonly { readonly entry_id: number; readonly reason: string }[]
}

/** Reverts are made by Hyperion, whoever asks: so the person who asks may be the one who approves. */
const AGENT = "hyperion"

interface Target {
  readonly row: EntryRow
  readonly receipt: Receipt
}

/**
 * Queues inverse change requests, made from the stored contents, newest landing first and chained: exact where nothing
 * has changed since, merged three-way around what has. They pass every gate that any change passes.
 */
export const revert = Effect.fn("operations.revert")(function* (
  target: RevertTarget,
  options: { readonly dryRun: boolean },
) {
  const { rows, unlanded } = yield* targetsOf(target)
  const skipped = unlanded.map((row) => ({
    entry_id: row.id,
    reason: row.archived === null ? `not landed: it is ${row.state}` : "archived: hyperion why says where",
  }))
  const targets: Target[] = []
  for (const row of rows) {
    const [receipt] = yield* receipts(String(row.id))
    const reason = isNoop(receipt!)
      ? "without effect: what it changes was there already"
      : yield* revertedAlready(row)
    if (reason === null) targets.push({ row, receipt: receipt! })
    else skipped.push({ entry_id: row.id, reason })
  }
  if (targets.length === 0) {
    const [only] = skipped
    return yield* new WrongState({
      what: skipped.length === 1 ? `entry ${only!.entry_id}` : "each of these entries",
      state: skipped.length === 1 ? only!.reason : "without anything to revert",
      advice: `hyperion why ${only?.entry_id ?? 1}`,
    })
  }
  targets.sort((a, b) => b.receipt.audit_seq - a.receipt.audit_seq)
  const ids = targets.map(({ row }) => row.id)
  const requestId = ids.length === 1 ? taskOf(ids[0]!) : `revert-${Math.min(...ids)}..${Math.max(...ids)}`
  const documents: Document[] = []
  const assignments = new Map<string, Assignment>()
  const changes: (readonly Change[])[] = []
  for (const [index, one] of targets.entries()) {
    const inverse = yield* inverseOf(one)
    const task = taskOf(one.row.id)
    const newer = targets[index - 1]
    changes.push(inverse)
    assignments.set(task, yield* assignmentOf(one, requestId, inverse, newer ? [taskOf(newer.row.id)] : []))
    documents.push(yield* documentOf(one, index, inverse))
  }
  const submissions = yield* submit(documents, {
    supersede: false,
    dryRun: options.dryRun,
    tasks: "known",
    assignments,
  })
  return {
    request_id: requestId,
    reverted: targets.map(({ row }, index) => ({
      entry_id: row.id,
      changes: changes[index]!.map(({ path, operation }) => ({ path, operation })),
      submission: submissions[index]!,
    })),
    skipped,
  } satisfies RevertReport
})

/** In `worktree` mode a landing has no commit, and an effect all the same. */
const isNoop = ({ base_tree, result_tree }: Receipt): boolean => base_tree === result_tree

const taskOf = (entryId: number): string => `revert-${entryId}`

const targetsOf = Effect.fn("operations.revertTargets")(function* (target: RevertTarget) {
  if (target.kind === "id") {
    const { landed, unlanded } = yield* landedEntries(target.id)
    return { rows: landed, unlanded }
  }
  const queue = yield* QueueService
  const rows = yield* queue.read((db) =>
    db.query<EntryRow, [string, number]>(LANDED_BY).all(target.agent, target.since),
  )
  if (rows.length === 0)
    return yield* new WrongState({
      what: `agent ${target.agent}`,
      state: "without a landing since then",
      advice: "hyperion list --state applied",
    })
  return { rows, unlanded: [] as readonly EntryRow[] }
})

/** Why a landing needs no revert (any more); null when it does. */
const revertedAlready = Effect.fn("operations.revertedAlready")(function* (row: EntryRow) {
  const queue = yield* QueueService
  return yield* queue.read((db) => {
    const live = (id: number) =>
      entriesOfTask(db, taskOf(id)).find(({ state }) => state === "applied" || isLive(state))
    const undone = live(row.id)
    if (undone === undefined) return null
    if (undone.state !== "applied") return `being reverted by entry ${undone.id}, which is ${undone.state}`
    // A revert may itself have been reverted, and so on: the last link of the chain says what holds now.
    let last = undone
    let depth = 1
    for (let next = live(last.id); next?.state === "applied"; next = live(last.id)) {
      last = next
      depth += 1
    }
    return depth % 2 === 1
      ? `reverted already, by entry ${last.id}`
      : `landed again by entry ${last.id}, which is the one to revert`
  })
})

/** From what the landing left back to what it met, as git's own patches between two trees of just these files. */
const inverseOf = Effect.fn("operations.inverseOf")(function* ({ row, receipt }: Target) {
  const git = yield* GitRepository
  const stored = yield* effectsOf(receipt)
  if (!stored.ok)
    return yield* new WrongState({
      what: `what entry ${row.id} changed`,
      state: `not as recorded: ${stored.error.message}`,
      advice: `hyperion verify ${row.id}`,
    })
  const treeFrom = Effect.fn("operations.treeOfImages")(function* (
    pick: (effect: ProvenEffect) => FileState | null,
  ) {
    const files = new Map<string, BlobEntry>()
    const blobs = []
    for (const effect of stored.value.effects) {
      const state = pick(effect)
      const entry = treeEntry(state)
      if (state === null || entry === null) continue
      files.set(effect.path, entry)
      if (state.mode !== "160000") blobs.push(makeObject("blob", state.bytes))
    }
    // The files were together in a tree before.
    const edited = yield* Effect.catchTag(git.editTree(EMPTY_TREE, files), "TreeEditRefused", Effect.die)
    yield* git.keepObjects([...blobs, ...edited.trees])
    return edited.root
  })
  const from = yield* treeFrom(({ after }) => after)
  const to = yield* treeFrom(({ before }) => before)
  return yield* treeChanges(from, to, `entry ${row.id}`)
})

const intentOf = Effect.fn("operations.revertIntent")(function* ({ row }: Target) {
  const queue = yield* QueueService
  const cast = yield* queue.read((db) => payloadOf(db, row.id))
  const [intent = row.task_id] = (cast?.change_request.metadata.intent ?? row.task_id).split("\n")
  return `Revert "${intent}" (entry ${row.id})`
})

const assignmentOf = Effect.fn("operations.revertAssignment")(function* (
  target: Target,
  requestId: string,
  changes: readonly Change[],
  dependsOn: readonly string[],
) {
  const { row, receipt } = target
  const intent = yield* intentOf(target)
  return {
    schema_version: 1,
    task_id: taskOf(row.id) as TaskId,
    parent_request_id: requestId as RequestId,
    summary: intent,
    kind: "bugfix",
    priority: DEFAULT_PRIORITY,
    file_targets: [...new Set(changes.map(({ path }) => path))],
    instructions: [],
    acceptance_criteria: [],
    checks: [],
    depends_on: dependsOn as TaskId[],
    metadata: { intent, complexity: 1, telemetry_anchors: ["revert"], approvals: [] },
    blocking_on_failure: true,
    limits: { max_files: Math.max(1, changes.length), max_context_tokens: 1 },
    base_revision: receipt.commit,
    agent: AGENT,
  } satisfies Assignment
})

const documentOf = Effect.fn("operations.revertDocument")(function* (
  { row, receipt }: Target,
  index: number,
  changes: readonly Change[],
) {
  const git = yield* GitRepository
  const [commit] = yield* git.readObjects(receipt.commit === null ? [] : [receipt.commit])
  return {
    kind: "change_request",
    index,
    where: `revert of entry ${row.id}`,
    value: {
      schema_version: 1,
      task_id: taskOf(row.id),
      agent: AGENT,
      // Without it the pre-images come from the stored contents.
      ...(commit?.type === "commit" && { base_revision: receipt.commit }),
      metadata: {},
      changes,
    },
  } satisfies Document
})
