import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { TERMINAL } from "../domain/entry.ts"
import { Database } from "../platform/Database.ts"
import { emptyFolder } from "../platform/empty-folder.ts"
import { GitRepository } from "../platform/git/GitRepository.ts"
import { EMPTY_TREE, type Oid } from "../platform/git/objects.ts"
import { scratchIndex } from "../platform/git/scratch-index.ts"
import { Operator } from "../platform/Operator.ts"
import { payloadOf } from "../queue/lease.ts"
import { QueueService } from "../queue/QueueService.ts"
import type { EntryRow } from "../queue/queue.sql.ts"
import { receiptOf } from "../queue/read.ts"
import { currentBase } from "../worker/base.ts"
import { considerBatch, planOn } from "../worker/consider.ts"
import { refuseArchived } from "./archived.ts"
import { PUT_CHECKOUT } from "./checkout.sql.ts"
import { findEntries } from "./entries.ts"
import { WrongState } from "./errors.ts"

export interface CheckedOut {
  readonly entry_id: number
  readonly task_id: string
  readonly folder: string
  readonly base_commit: string | null
  readonly base_tree: string
  /** What the folder holds now. */
  readonly tree: string
  readonly landed: boolean
}

interface EntryTree {
  readonly baseCommit: Oid | null
  readonly baseTree: Oid
  readonly tree: Oid
}

/** Writes the tree of an entry (landed, or as it would land now) into an empty folder, for people to read, run or amend. */
export const checkout = Effect.fn("operations.checkout")(function* (id: string, folder: string) {
  const row = yield* oneEntry(id)
  const { baseCommit, baseTree, tree } = yield* treeOf(row)
  const git = yield* GitRepository
  const { env } = yield* Operator
  const directory = yield* emptyFolder(folder)
  const index = yield* scratchIndex({ env, ownGitDir: git.ownGitDir, throwAway: true })
  if (tree !== EMPTY_TREE) {
    yield* index.readTree(tree)
    yield* index.checkOut(directory)
  }
  const database = yield* Database
  const at = yield* Clock.currentTimeMillis
  yield* database.write((db) => db.query(PUT_CHECKOUT).run(directory, row.id, baseCommit, baseTree, tree, at))
  return {
    entry_id: row.id,
    task_id: row.task_id,
    folder: directory,
    base_commit: baseCommit,
    base_tree: baseTree,
    tree,
    landed: row.state === "applied",
  } satisfies CheckedOut
})

/** The one entry an id speaks of; of a request with several, none. */
export const oneEntry = Effect.fn("operations.oneEntry")(function* (id: string) {
  const rows = yield* findEntries(id)
  const [row] = rows as [EntryRow]
  return rows.length === 1
    ? row
    : yield* new WrongState({
        what: id,
        state: `a request of ${rows.length} entries`,
        advice: `name one of them: ${rows.map((one) => one.id).join(", ")}`,
      })
})

const treeOf = Effect.fn("operations.entryTree")(function* (row: EntryRow) {
  const queue = yield* QueueService
  yield* refuseArchived(row)
  if (row.state === "applied") {
    const receipt = yield* queue.read((db) => receiptOf(db, row.id))
    if (receipt !== null)
      return {
        baseCommit: null,
        baseTree: receipt.base_tree ?? EMPTY_TREE,
        tree: receipt.result_tree,
      } satisfies EntryTree
  }
  if (TERMINAL.has(row.state))
    return yield* new WrongState({
      what: `entry ${row.id}`,
      state: `${row.state}: it makes no tree`,
      advice: `hyperion why ${row.id}`,
    })
  return yield* candidateTree(row)
})

/** As it would land on the branch as it is now; computed, and kept in Hyperion's own store. */
const candidateTree = Effect.fn("operations.candidateTree")(function* (row: EntryRow) {
  const queue = yield* QueueService
  const git = yield* GitRepository
  const cast = yield* queue.read((db) => payloadOf(db, row.id))
  if (cast === null)
    return yield* new WrongState({
      what: `the payload of entry ${row.id}`,
      state: "not readable",
      advice: "hyperion audit verify",
    })
  const base = yield* currentBase()
  const lease = { entry: row, cast, worker: "checkout", token: 0, until: 0, attempt: 0 }
  const { ready, waiting, settlements } = yield* considerBatch([lease], base)
  const [entry] = [...ready, ...waiting]
  const refused = settlements.flatMap((settlement) => ("report" in settlement ? [settlement.report] : []))[0]
  const plan = entry === undefined ? null : yield* planOn(base, [entry])
  if (entry === undefined || !plan?.ok)
    return yield* new WrongState({
      what: `entry ${row.id}`,
      state: `not applicable to the branch as it is: ${refused?.message ?? "it does not fit the tree"}`,
      advice: `hyperion why ${row.id}`,
    })
  yield* git.keepObjects(plan.value?.objects ?? [])
  return {
    baseCommit: base.commit,
    baseTree: base.tree,
    tree: plan.value?.tipTree ?? base.tree,
  } satisfies EntryTree
})
