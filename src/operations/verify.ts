import type { Database as Sqlite } from "bun:sqlite"
import * as Effect from "effect/Effect"
import { ok, type Result } from "../domain/result.ts"
import { GitRepository } from "../platform/git/GitRepository.ts"
import { EMPTY_TREE, parseCommit } from "../platform/git/objects.ts"
import { type ScratchIndex, scratchIndex } from "../platform/git/scratch-index.ts"
import { Operator } from "../platform/Operator.ts"
import { QueueService } from "../queue/QueueService.ts"
import type { EntryRow } from "../queue/queue.sql.ts"
import { ARCHIVED_LANDINGS, LANDED_AFTER } from "./landed.sql.ts"
import { landedEntries } from "./receipt.ts"
import { TreeReplay } from "./replay-tree.ts"
import { walkLandings } from "./replay-walk.ts"
import { type CheckedReceipt, checkReceipt, faultOf, type VerifyFault } from "./verify-evidence.ts"
import { firstDifference, recomputeTree, treeEntry, type VerifiedPath } from "./verify-tree.ts"

/** What verifying one landing found. */
export interface Verified {
  readonly entry_id: number
  readonly task_id: string
  readonly ok: boolean
  readonly base_tree: string | null
  readonly result_tree: string | null
  readonly commit: string | null
  readonly paths: readonly VerifiedPath[]
  /** The first thing that differs. */
  readonly fault: VerifyFault | null
  /** What could not be checked and is no fault. */
  readonly notes: readonly string[]
}

/** Entries read at once by `--all`. */
const PAGE = 500

/** Verifies the landings an id speaks of; hands each to `tell` as it is done. Returns how many there were, and how many were not as recorded. */
export const verify = Effect.fn("operations.verify")(function* (
  id: string | undefined,
  tell: (verified: Verified) => Effect.Effect<void>,
) {
  const queue = yield* QueueService
  const git = yield* GitRepository
  const { env } = yield* Operator
  const index = yield* scratchIndex({ env, ownGitDir: git.ownGitDir, throwAway: true })
  const held: Held = { tree: null, rebuilt: false }
  /** Landings that are in an archive, and are verified from there. */
  const archived = id === undefined ? yield* queue.read(archivedLandings) : 0
  const counts = { verified: 0, faults: 0, archived }
  const take = Effect.fn("operations.verifyEach")(function* (rows: readonly EntryRow[]) {
    for (const row of rows) {
      const verified = yield* verifyEntry(row, index, held)
      counts.verified += 1
      if (!verified.ok) counts.faults += 1
      yield* tell(verified)
    }
  })
  if (id !== undefined) yield* take((yield* landedEntries(id)).landed)
  else
    for (let after = 0; ; ) {
      const rows = yield* queue.read((db) =>
        db.query<EntryRow, [number, number]>(LANDED_AFTER).all(after, PAGE),
      )
      if (rows.length === 0) break
      yield* take(rows)
      after = rows.at(-1)!.id
    }
  return counts
})

const archivedLandings = (db: Sqlite): number => db.query<{ n: number }, []>(ARCHIVED_LANDINGS).get()!.n

/** Which tree the index holds: the next landing mostly starts where the one before ended. */
interface Held {
  tree: string | null
  /** Whether the log's trees were rebuilt in Hyperion's own store. */
  rebuilt: boolean
}

const verifyEntry = Effect.fn("operations.verifyEntry")(function* (
  row: EntryRow,
  index: ScratchIndex,
  held: Held,
) {
  const head = { entry_id: row.id, task_id: row.task_id }
  const checked = yield* checkReceipt(row)
  if (!checked.ok)
    return {
      ...head,
      ok: false,
      base_tree: null,
      result_tree: null,
      commit: null,
      paths: [],
      fault: checked.error,
      notes: [],
    } satisfies Verified
  const { receipt } = checked.value
  const trees = yield* compareTrees(checked.value, index, held)
  const found = trees.ok ? trees.value : { paths: [], notes: [] }
  return {
    ...head,
    ok: trees.ok,
    base_tree: receipt.base_tree,
    result_tree: receipt.result_tree,
    commit: receipt.commit,
    paths: found.paths,
    fault: trees.ok ? null : trees.error,
    notes: [...checked.value.notes, ...found.notes],
  } satisfies Verified
})

interface Compared {
  readonly paths: readonly VerifiedPath[]
  readonly notes: readonly string[]
}

const compareTrees = Effect.fn("operations.compareTrees")(function* (
  checked: CheckedReceipt,
  index: ScratchIndex,
  held: Held,
) {
  const git = yield* GitRepository
  const { receipt } = checked
  const base = receipt.base_tree ?? EMPTY_TREE
  const [baseObject, commit] = yield* git.readObjects([base, receipt.commit ?? base])
  const notes: string[] = []
  if (baseObject == null && base !== EMPTY_TREE && held.tree !== base) {
    if (!(yield* restored(held, base)))
      return faultOf(
        "base_tree",
        "base_tree",
        `the base tree ${base} is neither in git nor stored with the log`,
      )
    notes.push("git has its base tree no more: it was rebuilt from the log")
  }
  if (held.tree !== base) yield* index.readTree(base)
  held.tree = null
  const recomputed = yield* recomputeTree(index, checked)
  if (!recomputed.ok) return recomputed
  const { tree, methods } = recomputed.value
  held.tree = tree
  if (tree !== receipt.result_tree) {
    const where = yield* differingPath(receipt.result_tree, checked)
    return faultOf(
      "result_tree",
      where ?? "result_tree",
      `base and patches give the tree ${tree}, the receipt says ${receipt.result_tree}${where === null ? "" : `; the first path that differs is ${where}`}`,
    )
  }
  if (receipt.commit !== null) {
    const parsed = commit?.type === "commit" ? parseCommit(commit.body) : null
    if (parsed === null) notes.push(`git has the commit ${receipt.commit} no more`)
    else if (parsed.tree !== receipt.result_tree)
      return faultOf("commit", "commit", `commit ${receipt.commit} holds another tree, ${parsed.tree}`)
  }
  return ok({ paths: methods, notes }) as Result<Compared, VerifyFault>
})

/** Git may have lost a base since (a branch rewritten, then gc): the log still has what made it. */
const restored = Effect.fn("operations.restored")(function* (held: Held, tree: string) {
  const git = yield* GitRepository
  if (!held.rebuilt) {
    held.rebuilt = true
    const replay = new TreeReplay(`${git.ownGitDir}/objects`, git)
    // As far as it gets: what is damaged is said of the entry that it belongs to.
    yield* Effect.ignore(walkLandings(replay, () => {}))
    yield* replay.flush(true)
  }
  return (yield* git.readObjects([tree]))[0] !== null
})

/** The first path of the landing that the receipt's tree holds otherwise; null when that tree cannot be read. */
const differingPath = Effect.fn("operations.differingPath")(function* (
  resultTree: string,
  { effects }: CheckedReceipt,
) {
  const git = yield* GitRepository
  const listed = yield* Effect.option(git.listTree(resultTree))
  if (listed._tag === "None") return null
  const paths = new Set(effects.map(({ path }) => path))
  const expected = new Map(
    effects.flatMap(({ path, after }) => {
      const entry = treeEntry(after)
      return entry === null ? [] : [[path, entry] as const]
    }),
  )
  return firstDifference(expected, new Map([...listed.value].filter(([path]) => paths.has(path))))
})
