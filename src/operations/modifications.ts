import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type { Millis } from "../domain/time.ts"
import { Database } from "../platform/Database.ts"
import { openFolderWatch } from "../platform/folder-watch.ts"
import { GitRepository } from "../platform/git/GitRepository.ts"
import {
  changedFiles,
  contentHash,
  newNames,
  rememberTree,
  type SeenChange,
  type TreeMemory,
  takeIn,
} from "../platform/tree-look.ts"
import { CurrentWorkspace } from "../platform/Workspace.ts"
import { QueueService } from "../queue/QueueService.ts"
import {
  landingWrites,
  type Modification,
  modificationsSince,
  putModifications,
} from "../telemetry/modifications.ts"

/** How often it is asked whether the system noticed anything. */
const GLANCE_MS: Millis = 1_000
/** After a look, this many times what it took: while files change, one part in twenty; while none does, in five hundred. */
const BUSY_SHARE = 20
const IDLE_SHARE = 500
/** Without a notice a look is taken all the same, this often at most: notices may be lost. */
const IDLE_MS: Millis = 30_000
/** Files looked at before others have their turn. */
const CHUNK = 500
/** A tree of more files is not watched. */
const MOST_FILES = 100_000
/** Rows of one look; how many more there were is said by the last. */
const MOST_ROWS = 1_000
/** Folders within folders that appear at once. */
const DEPTH = 64

const names = (stdout: Buffer): readonly string[] => stdout.toString("utf8").split("\0").slice(0, -1)

/** Files that are tracked, or new and not ignored: one question to git, at the beginning. */
const listFiles = Effect.gen(function* () {
  const { root } = yield* CurrentWorkspace
  const { stdout } = yield* (yield* GitRepository).run({
    args: ["ls-files", "-z", "--cached", "--others", "--exclude-standard"],
    cwd: root,
    userConfig: true,
    env: { GIT_WORK_TREE: root },
  })
  return names(stdout)
})

/** Those of these names that git ignores. Where it cannot say, all: a name that nobody knows is no news. */
const ignoredOf = Effect.fn("operations.ignoredOf")(function* (paths: readonly string[]) {
  const { root } = yield* CurrentWorkspace
  const answer = yield* Effect.either(
    (yield* GitRepository).run({
      // It refuses the literal pathspecs that every other call is given.
      args: ["--no-literal-pathspecs", "check-ignore", "-z", "--stdin"],
      cwd: root,
      userConfig: true,
      env: { GIT_WORK_TREE: root },
      stdin: Buffer.from(paths.map((path) => `${path}\0`).join("")),
    }),
  )
  if (answer._tag === "Right") return new Set(names(answer.right.stdout))
  // Exit 1: none is.
  return answer.left.exitCode === 1 ? new Set<string>() : new Set(paths)
})

/** What appeared in remembered folders, and in what appeared. */
const additions = Effect.fn("operations.additions")(function* (root: string, memory: TreeMemory) {
  const found: SeenChange[] = []
  for (let depth = 0; depth < DEPTH; depth++) {
    const fresh = newNames(root, memory)
    if (fresh.length === 0) break
    const ignored = yield* ignoredOf(fresh)
    for (const name of fresh) {
      if (ignored.has(name)) memory.ignored.add(name.replace(/\/$/, ""))
      else found.push(...[takeIn(root, memory, name) ?? []].flat())
    }
  }
  return found
})

/**
 * Looks at the working tree again, each time, and records what changed in between: which file, how, and whether a
 * landing wrote it. Told by stamps: the system's notices only say when to look, for they are lost when there are many.
 * Nothing changed: nothing is written. `null` where there is no working tree to look at.
 */
export const modificationLooks = Effect.gen(function* () {
  const { root } = yield* CurrentWorkspace
  const database = yield* Database
  const queue = yield* QueueService
  const paths = yield* listFiles
  if (paths.length > MOST_FILES) return null
  const memory = rememberTree(root, paths)
  // The names of today are no news.
  yield* additions(root, memory)
  const first = (yield* queue.head()).seq
  // A landing that was begun during one look may write until the next.
  let seqs: readonly [number, number] = [first, first]

  const look = Effect.fn("operations.lookForModifications")(function* () {
    const { seq } = yield* queue.head()
    const changes: SeenChange[] = []
    const files = [...memory.files.keys()]
    for (let at = 0; at < files.length; at += CHUNK) {
      changes.push(...changedFiles(root, memory, files.slice(at, at + CHUNK)))
      yield* Effect.yieldNow()
    }
    changes.push(...(yield* additions(root, memory)))
    // Other names may be ignored now.
    if (changes.some(({ path }) => /(^|\/)\.gitignore$/.test(path))) {
      memory.ignored.clear()
      for (const folder of memory.folders.keys()) memory.folders.set(folder, "")
    }
    const from = seqs[0]
    seqs = [seqs[1], seq]
    if (changes.length === 0) return 0
    const writes = yield* database.read((db) => landingWrites(db, from))
    const rows = changes.slice(0, MOST_ROWS).map((change) => told(root, change, writes))
    const more = changes.length - rows.length
    if (more > 0) rows.push({ ...rows.pop()!, details: { more } })
    const at = yield* Clock.currentTimeMillis
    yield* database.write((db) => putModifications(db, rows, at))
    return changes.length
  })
  return { look, folders: () => memory.folders.keys() }
})

const told = (
  root: string,
  { path, event, stamp, size }: SeenChange,
  writes: ReturnType<typeof landingWrites>,
): Modification => {
  const landings = writes.get(path)
  const gone = event === "deleted"
  const hash = landings === undefined || gone ? null : contentHash(root, path)
  // Its own bytes: what it leaves behind, or puts back when it is undone.
  const landing =
    hash === null && !gone
      ? undefined
      : landings?.findLast(({ after_hash, before_hash }) => after_hash === hash || before_hash === hash)
  const seen = gone ? {} : { size }
  return {
    path,
    event,
    source: landing === undefined ? "foreign" : "landing",
    stamp,
    details: landing === undefined ? seen : { ...seen, entry_id: landing.entry },
  }
}

/**
 * Until its scope ends: soon after something happened, and now and then without. What goes wrong here must not stop a
 * worker: the next look tries again.
 */
export const recordModifications = Effect.gen(function* () {
  const { root } = yield* CurrentWorkspace
  const looks = yield* modificationLooks
  if (looks === null) return
  const watch = yield* Effect.acquireRelease(
    Effect.sync(() => openFolderWatch(root)),
    ({ close }) => Effect.sync(close),
  )
  for (;;) {
    watch.keep(looks.folders())
    const before = yield* Clock.currentTimeMillis
    yield* Effect.ignore(looks.look())
    const took = (yield* Clock.currentTimeMillis) - before
    const longest = Math.max(watch.complete() ? IDLE_MS : GLANCE_MS, took * IDLE_SHARE)
    yield* Effect.sleep(took * BUSY_SHARE)
    for (let sum: Millis = 0; sum < longest && !watch.stirred(); sum += GLANCE_MS)
      yield* Effect.sleep(GLANCE_MS)
  }
}).pipe(Effect.ignore, Effect.forkScoped)

/** Files that changed while a worker was at work, the newest `limit`, oldest first. */
export const modifications = Effect.fn("operations.modifications")(function* (
  since: Millis | undefined,
  limit: number,
) {
  const database = yield* Database
  // One of an older version has none.
  if (database.outdated !== null) return []
  return yield* database.read((db) => modificationsSince(db, since ?? 0, limit))
})
