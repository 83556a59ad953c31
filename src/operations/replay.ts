import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { AuditService } from "../audit/AuditService.ts"
import type { ArchiveRow } from "../audit/archive.sql.ts"
import { newestArchive } from "../audit/archiving.ts"
import { BlobStore } from "../audit/BlobStore.ts"
import { LogExport } from "../audit/LogExport.ts"
import type { AuditFault } from "../audit/ledger.ts"
import type { LogRecord } from "../audit/segment.ts"
import type { CastPayload } from "../domain/cast.ts"
import { canonicalJson } from "../domain/hash.ts"
import type { Receipt } from "../domain/receipt.ts"
import { toTimestamp } from "../domain/time.ts"
import { Database } from "../platform/Database.ts"
import { emptyFolder } from "../platform/empty-folder.ts"
import { GitRepository } from "../platform/git/GitRepository.ts"
import { EMPTY_TREE, makeObject, type Oid, type Signature, serialiseCommit } from "../platform/git/objects.ts"
import { runGitOk } from "../platform/git/process.ts"
import { Operator } from "../platform/Operator.ts"
import { makeStateFolders, WorkspaceFiles } from "../platform/WorkspaceFiles.ts"
import { commitOf } from "../worker/commit.ts"
import { logFiles, readLogFiles } from "./audit-files.ts"
import { logBeginning, logBegins } from "./log-beginning.ts"
import { QUEUE_ROWS } from "./replay.sql.ts"
import { QueueReplay } from "./replay-queue.ts"
import { ReplayFailed, TreeReplay } from "./replay-tree.ts"
import { walkLandings } from "./replay-walk.ts"

export interface ReplayOptions {
  /** An empty folder, or one that is not there. */
  readonly to: string
  /** The last row of the log to be replayed; all of it without. */
  readonly until: number | undefined
  /** Shipped segments instead of this workspace's database. */
  readonly from: string | undefined
}

export interface ReplayReport {
  readonly folder: string
  readonly rows: number
  readonly head: string
  readonly entries: number
  readonly landings: number
  /** Landed trees that came out as their receipts say; the same as `landings`, or the replay had failed. */
  readonly trees: number
  /** Bases that people's own commits made. */
  readonly foreign: number
  /** Of those, taken from the repository because the log does not hold their contents. */
  readonly from_git: number
  readonly tip_tree: string | null
  readonly tip_commit: string | null
  /** SHA-256 over every entry's identity and state: the same for two queues that are the same. */
  readonly queue_digest: string
}

const RECORDS = 500
const BRANCH = "refs/heads/main"

/** Rebuilds queue and tree in an empty folder from the log and what was stored with it, bit by bit, and checks both. */
export const replay = Effect.fn("operations.replay")(function* (options: ReplayOptions) {
  const { from } = options
  const files = from === undefined ? null : yield* logFiles(from)
  const folder = yield* emptyFolder(options.to)
  yield* makeStateFolders(`${folder}/.hyperion`)
  const file = `${folder}/.hyperion/hyperion.db`
  const target = yield* Layer.build(
    Layer.provideMerge(
      Layer.merge(BlobStore.layer, AuditService.layer),
      Database.layer({ file, create: true }),
    ),
  )
  const database = Context.get(target, Database)
  const queue = new QueueReplay(options.until ?? Number.MAX_SAFE_INTEGER)
  const take = (records: readonly LogRecord[]) => database.write((db) => queue.take(db, records))
  const fault = yield* files === null ? takeDatabase(queue, take) : takeFiles(files, queue, take)
  const unfinished = fault ?? (yield* database.write((db) => queue.finish(db), { durable: true }))
  if (unfinished !== null)
    return yield* new ReplayFailed({
      seq: unfinished.seq ?? queue.ledger.seq + 1,
      detail: unfinished.message,
    })
  const trees = yield* Effect.provideService(
    Effect.provideService(replayTrees(folder), Database, database),
    BlobStore,
    Context.get(target, BlobStore),
  )
  const audit = yield* Context.get(target, AuditService).verify()
  if (audit.fault !== null)
    return yield* new ReplayFailed({
      seq: audit.fault.seq ?? audit.seq,
      detail: `the rebuilt queue is not what the log says: ${audit.fault.message}`,
    })
  return {
    folder,
    rows: queue.ledger.seq,
    head: queue.ledger.head,
    entries: queue.ledger.entries.filter((entry) => entry !== undefined).length,
    landings: queue.landings,
    ...trees,
    queue_digest: yield* queueDigest(database),
  } satisfies ReplayReport
})

type Take = (records: readonly LogRecord[]) => ReturnType<Database["Type"]["write"]>

const takeDatabase = Effect.fn("operations.replayDatabase")(function* (queue: QueueReplay, take: Take) {
  const log = yield* LogExport
  const begins = yield* logBegins()
  let refused: AuditFault | null = null
  yield* logBeginning(begins, false, (records) =>
    Effect.map(take(records), (found) => {
      refused = found as AuditFault | null
      return refused === null
    }),
  )
  if (refused !== null) return refused
  for (;;) {
    const until = Number.MAX_SAFE_INTEGER
    const { records, last } = yield* log.rows({
      after: Math.max(queue.ledger.seq, begins.seq),
      until,
      limit: RECORDS,
      chainOnly: false,
    })
    if (last === null) break
    const fault = (yield* take(records)) as AuditFault | null
    if (fault !== null) return fault
    if (queue.isDone) break
  }
  const until = yield* log.lastBlob
  for (let at = 0; at < until; ) {
    const { records, next } = yield* log.blobs(at, until)
    yield* take(records)
    at = next
  }
  return null
})

const takeFiles = Effect.fn("operations.replayFiles")(function* (
  files: readonly string[],
  queue: QueueReplay,
  take: Take,
) {
  let refused: AuditFault | null = null
  const { fault } = yield* readLogFiles(files, (records) =>
    Effect.map(take(records), (found) => {
      refused = found as AuditFault | null
      // A segment's contents follow its rows: it is read to its end.
      return refused === null && !(queue.isDone && records.some(({ kind }) => kind === "head"))
    }),
  )
  return refused ?? fault
})

const git = Effect.fn("operations.replayGit")(function* (folder: string, args: readonly string[]) {
  const { env } = yield* Operator
  return yield* runGitOk(env, {
    gitDir: `${folder}/.git`,
    cwd: folder,
    args,
    env: { GIT_WORK_TREE: folder },
  })
})

const replayTrees = Effect.fn("operations.replayTrees")(function* (folder: string) {
  const source = Option.getOrNull(yield* Effect.serviceOption(GitRepository))
  yield* git(folder, ["init", "--quiet", "--template=", "--initial-branch=main"])
  const { exclude } = Context.get(yield* Layer.build(WorkspaceFiles.layer), WorkspaceFiles)
  yield* exclude(`${folder}/.git`, ["/.hyperion/"])
  const replay = new TreeReplay(`${folder}/.git/objects`, source)
  const chain = new Chain(replay)
  let foreign = 0
  const trees = yield* walkLandings(replay, (receipt, cast) => {
    if (receipt.base_tree === receipt.result_tree) return
    if (chain.adopt(receipt)) foreign += 1
    chain.land(receipt, cast)
  })
  // Nothing has landed since the checkpoint: the branch is where that left it.
  const newest = yield* (yield* Database).read(newestArchive)
  if (chain.tip === null && newest?.tree != null && replay.has(newest.tree)) chain.begin(newest)
  yield* replay.flush(true)
  if (chain.tip !== null) {
    yield* git(folder, ["update-ref", BRANCH, chain.tip])
    yield* git(folder, ["read-tree", "--reset", "-u", BRANCH])
  }
  return {
    trees,
    foreign,
    from_git: replay.fromGit,
    tip_tree: chain.tree,
    tip_commit: chain.tip,
  }
})

/** The commits of a replay. Their trees are those that landed; their ids are their own, the dates those of the log. */
class Chain {
  tip: Oid | null = null
  tree: Oid | null = null
  private readonly replay: TreeReplay

  constructor(replay: TreeReplay) {
    this.replay = replay
  }

  /** Puts the base under a landing when it is not what the one before left. True when it did. */
  adopt({ base_tree, landed_at, entry_id }: Receipt): boolean {
    if (base_tree === null || base_tree === this.tree || (this.tree === null && isEmpty(base_tree)))
      return false
    const who = signature(landed_at)
    this.add(base_tree, who, who, `The base that entry ${entry_id} landed on\n`)
    return true
  }

  /** The tree of a checkpoint, behind which nothing landed. */
  begin({ tree, at, cut }: ArchiveRow): void {
    const who = signature(toTimestamp(at))
    this.add(tree!, who, who, `The tree of the checkpoint at row ${cut}\n`)
  }

  land(receipt: Receipt, cast: CastPayload | null): void {
    const who = signature(receipt.landed_at)
    const approvers = [...new Set(receipt.approvals.map(({ approver }) => approver))]
    const told = cast
      ? commitOf(cast, who, approvers)
      : { author: who, message: `Entry ${receipt.entry_id}\n` }
    this.add(receipt.result_tree, told.author, who, told.message)
  }

  private add(tree: Oid, author: Signature, committer: Signature, message: string): void {
    const parents = this.tip === null ? [] : [this.tip]
    const commit = makeObject("commit", serialiseCommit({ tree, parents, author, committer, message }))
    this.replay.keep(commit)
    this.tip = commit.oid
    this.tree = tree
  }
}

const isEmpty = (tree: Oid): boolean => tree === EMPTY_TREE

const signature = (landedAt: string): Signature => ({
  name: "Hyperion replay",
  email: "replay@hyperion.invalid",
  seconds: Math.floor(Date.parse(landedAt) / 1_000),
  offset: "+0000",
})

/** SHA-256 over what the log proves about every entry, in the order of their ids. */
export const queueDigest = Effect.fn("operations.queueDigest")(function* (database: Database["Type"]) {
  const hasher = new Bun.CryptoHasher("sha256")
  for (let after = 0; ; ) {
    const rows = yield* database.read((db) =>
      db.query<{ id: number }, [number, number]>(QUEUE_ROWS).all(after, RECORDS),
    )
    if (rows.length === 0) return hasher.digest("hex")
    for (const row of rows) hasher.update(`${canonicalJson(row)}\n`)
    after = rows.at(-1)!.id
  }
})
