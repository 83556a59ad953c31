import type { Database as Sqlite } from "bun:sqlite"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { AuditService } from "../audit/AuditService.ts"
import type { ArchiveRow } from "../audit/archive.sql.ts"
import {
  commitArchive,
  finishArchive,
  type Ground,
  newestArchive,
  planArchive,
  type Swept,
  sweepEntries,
  sweepRows,
} from "../audit/archiving.ts"
import { putBlobs } from "../audit/BlobStore.ts"
import { ContentsInUse } from "../audit/contents-in-use.ts"
import { type Millis, toTimestamp } from "../domain/time.ts"
import { isInside, makeFolder } from "../platform/archive-file.ts"
import { Database } from "../platform/Database.ts"
import { databaseBytes, vacuum } from "../platform/database-vacuum.ts"
import { Failpoints } from "../platform/Failpoints.ts"
import { EMPTY_TREE, type Oid } from "../platform/git/objects.ts"
import { HumanPresence } from "../platform/HumanPresence.ts"
import { Operator } from "../platform/Operator.ts"
import type { Text } from "../platform/Terminal.ts"
import { CurrentWorkspace } from "../platform/Workspace.ts"
import { QueueService } from "../queue/QueueService.ts"
import { currentBase } from "../worker/base.ts"
import { treeAsBase } from "../worker/evidence.ts"
import { ArchiveRefused } from "./archive-errors.ts"
import { archiveProblem, checkShipped, writeArchiveFile } from "./archive-file.ts"
import { NeedsYes } from "./config.ts"
import { refuseAgent } from "./presence.ts"
import { shipLog } from "./ship.ts"

const DAY_MS: Millis = 86_400_000
/** Between two chunks, so that those who wait for the write lock get it. */
const PAUSE_MS = 5

export interface ArchiveOptions {
  readonly folder: string
  /** What was said last before this moment goes; absent: what neither retention of the policy keeps. */
  readonly before: Millis | undefined
  readonly dryRun: boolean
  readonly yes: boolean
}

/** What a person must see before anything goes. */
export interface ArchiveReview {
  readonly folder: string
  readonly before: string
  /** The last row of the log that would be archived; null: there is nothing old enough. */
  readonly cut: number | null
  readonly entries: number
}

export interface ArchiveScreen {
  readonly render: (review: ArchiveReview) => Text
  readonly color: boolean
}

export interface ArchiveReport extends ArchiveReview {
  readonly dry_run: boolean
  /** False when the person said no, when nothing is old enough, and after a dry run. */
  readonly archived: boolean
  readonly file: string | null
  readonly sha256: string | null
  /** Rows of the log and stored contents that are in archives only now. */
  readonly rows: number
  readonly contents: number
  /** Cut of an archive that was begun earlier, and was finished first. */
  readonly finished: number | null
  readonly bytes_before: number
  readonly bytes_after: number
  /** False: free pages are still in the file, and are used again. */
  readonly vacuumed: boolean
}

const moment = Effect.fn("operations.archiveMoment")(function* (before: Millis | undefined) {
  if (before !== undefined) return before
  const { queue } = (yield* currentBase()).policy.policy
  const days = Math.max(queue.retention_days, queue.dead_letter_days)
  return (yield* Clock.currentTimeMillis) - days * DAY_MS
})

/**
 * Moves what is decided and old out of the database: the log is shipped into a folder outside the repository, read
 * again and held against the database; a checkpoint is committed; then what the archive holds is taken out, a chunk at
 * a time. Killed at any point, nothing is lost, and the next archive goes on. A person's word: refused inside an agent.
 */
export const archive = Effect.fn("operations.archive")(function* (
  options: ArchiveOptions,
  screen: ArchiveScreen,
) {
  const database = yield* Database
  const human = yield* HumanPresence
  const seen = yield* human.look()
  if (!options.dryRun) yield* refuseAgent(seen)
  const { root } = yield* CurrentWorkspace
  if (isInside(options.folder, root))
    return yield* new ArchiveRefused({
      reason: "inside",
      detail: `${options.folder} lies inside the repository: it would be committed, or cleaned away`,
      hint: "name a folder outside of it, best on another disk or machine",
    })
  const bytes_before = databaseBytes(database.file)
  const before = yield* moment(options.before)
  const at = yield* Clock.currentTimeMillis
  const open = yield* database.read(newestArchive)
  const unfinished = open?.swept === 0 ? open : null
  const plan = yield* database.read((db) => planArchive(db, before, at))
  const review: ArchiveReview = {
    folder: options.folder,
    before: toTimestamp(before),
    cut: plan?.cut ?? null,
    entries: plan?.ids.length ?? 0,
  }
  const report = (more: Partial<ArchiveReport>): ArchiveReport => ({
    ...review,
    dry_run: options.dryRun,
    archived: false,
    file: null,
    sha256: null,
    rows: 0,
    contents: 0,
    finished: null,
    bytes_before,
    bytes_after: databaseBytes(database.file),
    vacuumed: false,
    ...more,
  })
  if (options.dryRun || (plan === null && unfinished === null)) return report({})
  if (!options.yes) {
    if (!seen.terminal) return yield* new NeedsYes({ what: "archive" })
    const answer = yield* human.ask([screen.render(review), "\nArchive it? Type yes: "].flat(), screen)
    if (answer.toLowerCase() !== "yes") return report({})
  }
  yield* checkLog()
  const finished = unfinished === null ? null : yield* finishUnfinished(unfinished, options.folder)
  const made = plan === null ? null : yield* makeArchive(options.folder, plan)
  const vacuumed = yield* giveSpaceBack
  return report({
    archived: made !== null,
    folder: made?.archive.folder ?? options.folder,
    file: made?.archive.file ?? null,
    sha256: made?.archive.sha256 ?? null,
    rows: (made?.rows ?? 0) + (finished?.rows ?? 0),
    contents: (made?.contents ?? 0) + (finished?.contents ?? 0),
    finished: unfinished?.cut ?? null,
    bytes_after: databaseBytes(database.file),
    vacuumed,
  })
})

/** Nothing is taken out of a queue that is not what its log says: it would be gone as evidence. */
const checkLog = Effect.fn("operations.archiveCheckLog")(function* () {
  const { fault } = yield* (yield* AuditService).verify()
  if (fault !== null)
    return yield* new ArchiveRefused({
      reason: "audit",
      detail: `the log does not verify, and nothing was archived: ${fault.message}`,
      hint: "hyperion audit verify; compare with a backup or the shipped segments",
    })
})

type Plan = NonNullable<ReturnType<typeof planArchive>>

const makeArchive = Effect.fn("operations.makeArchive")(function* (into: string, plan: Plan) {
  const { pass } = yield* Failpoints
  const { name: actor } = yield* Operator
  const queue = yield* QueueService
  pass("archive.ship")
  const folder = yield* makeFolder(into)
  yield* shipLog(folder)
  const shipped = yield* checkShipped(folder, plan)
  pass("archive.ground")
  const ground = yield* keepTree(plan.ground)
  pass("archive.write")
  const at = yield* Clock.currentTimeMillis
  const written = yield* writeArchiveFile(folder, plan, shipped, { actor, at })
  pass("archive.commit")
  const committed = yield* queue.transact((db, now) => commitArchive(db, plan, written, actor, now, ground))
  if (committed === null)
    return yield* new ArchiveRefused({
      reason: "changed",
      detail: "an entry that was to be archived changed meanwhile: nothing was taken out",
      hint: "run the same command again",
    })
  return { archive: committed, ...(yield* sweep(committed)) }
})

/** Contents stored in one transaction. */
const BLOBS = 64

/** Stores a whole tree, so that what stays can be replayed without git; null when git has it no more, or it is empty. */
const keepTree = Effect.fn("operations.archiveTree")(function* (tree: Oid | null) {
  if (tree === null || tree === EMPTY_TREE) return null
  const told = yield* Effect.option(treeAsBase(tree))
  if (told._tag === "None") return null
  const { blobs, checkpoint } = told.value
  const database = yield* Database
  for (let from = 0; from < blobs.length; from += BLOBS)
    yield* database.write((db) => putBlobs(db, blobs.slice(from, from + BLOBS)))
  return { tree, manifest: checkpoint.manifest, complete: checkpoint.complete } satisfies Ground
})

/** What died in the middle goes on: when the archive is still what it was. */
const finishUnfinished = Effect.fn("operations.finishArchive")(function* (
  open: ArchiveRow,
  elsewhere: string,
) {
  const problem = yield* archiveProblem(open, { segments: true, elsewhere })
  if (problem !== null)
    return yield* new ArchiveRefused({
      reason: "unfinished",
      detail: `the archive up to row ${open.cut} was begun, and cannot be finished: ${problem}`,
      hint: `put ${open.folder} back as it was; nothing more is taken out until then`,
    })
  return yield* sweep(open)
})

/** Takes out what the archive holds and nothing here needs. Repeated, it goes on where it ended. */
const sweep = Effect.fn("operations.archiveSweep")(function* ({ cut, blobs }: ArchiveRow) {
  const { pass } = yield* Failpoints
  const database = yield* Database
  const queue = yield* QueueService
  const chunks = Effect.fnUntraced(function* (name: string, chunk: (db: Sqlite, after: number) => Swept) {
    for (let after = Number.MIN_SAFE_INTEGER, more = true; more; ) {
      pass(name)
      const done = yield* database.write((db) => chunk(db, after))
      after = done.next
      more = done.more
      if (more) yield* Effect.sleep(PAUSE_MS)
    }
  })
  let rows = 0
  let contents = 0
  yield* chunks("archive.entries", (db, after) => sweepEntries(db, after, cut))
  yield* chunks("archive.rows", (db, after) => {
    const done = sweepRows(db, after, cut)
    rows += done.dropped
    return done
  })
  const inUse = new ContentsInUse()
  yield* database.read((db) => inUse.look(db))
  yield* chunks("archive.contents", (db, after) => {
    const done = inUse.sweep(db, after, blobs)
    contents += done.dropped
    return done
  })
  pass("archive.finish")
  yield* queue.transact((db) => finishArchive(db, cut))
  return { rows, contents }
})

/** Only where no worker has to wait for it. */
const giveSpaceBack = Effect.gen(function* () {
  ;(yield* Failpoints).pass("archive.vacuum")
  const database = yield* Database
  if ((yield* database.workers).length > 0) return false
  // A full disk or a busy database: the pages are used again, nothing is lost.
  return yield* Effect.match(database.read(vacuum), { onFailure: () => false, onSuccess: () => true })
})
