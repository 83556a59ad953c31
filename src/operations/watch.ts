import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { type Millis, toTimestamp } from "../domain/time.ts"
import { DOCUMENT_LIMITS, type Document, readDocuments } from "../intake/documents.ts"
import {
  listInbox,
  moveBackIfWritten,
  moveInto,
  readStamped,
  type Stamp,
  writeBeside,
} from "../platform/inbox.ts"
import { type Submission, submit } from "./submit.ts"

/** A file that is not written to for this long is taken for whole. */
const SETTLED_MS: Millis = 500
/** One that is no whole document is given this long: whoever writes it may only be slow. */
const PATIENCE_MS: Millis = 10_000
/** A file that was taken is looked at for this long: who had it open may yet write to it. */
const KEPT_MS: Millis = 60_000
const LOOK_MS: Millis = 250
/** After an error that is not the file's fault. */
const RETRY_MS: Millis = 5_000

export interface WatchOptions {
  readonly folder: string
  /** Takes what is whole now, and ends. */
  readonly once: boolean
  readonly supersede: boolean
}

/** What became of one file. `moved_to` is its path within the folder; null when somebody has taken it away. */
export interface Ingested {
  readonly file: string
  readonly moved_to: string | null
  readonly results: readonly Submission[]
}

export interface WatchListener {
  readonly ingested: (file: Ingested) => Effect.Effect<void>
  /** Something that is not the fault of a file; it is tried again. */
  readonly troubled: (error: { readonly message: string }) => Effect.Effect<void>
}

export interface WatchSummary {
  readonly ingested: number
  readonly rejected: number
  /** Files that are not whole yet and stay where they are. */
  readonly left: readonly string[]
}

interface Seen {
  readonly key: string
  readonly since: Millis
}

/** For how long nobody has written to a file: by its own time, or by what we saw of it, whichever is longer. */
export const quietFor = (stamp: Stamp, seen: Seen | undefined, now: Millis): Millis =>
  Math.max(now - stamp.written, seen?.key === stamp.key ? now - seen.since : 0)

const isReadable = (document: Document): boolean => document.kind !== "unreadable"

/**
 * Queues the documents of the files that others put into a folder. Only whole files are taken: nobody writes to them
 * any more, and every document in them can be read. Each is moved to `done/`, or to `rejected/` with the reason beside
 * it. A file that is taken twice, because the process died before it was moved, is found in the queue already.
 */
export const watchFolder = Effect.fn("operations.watchFolder")(function* (
  options: WatchOptions,
  listener: WatchListener,
) {
  const { folder, once } = options
  let seen = new Map<string, Seen>()
  let taken: { readonly path: string; readonly stamp: Stamp; readonly at: Millis }[] = []
  const sum = { ingested: 0, rejected: 0 }

  const take = Effect.fn("operations.watch.take")(function* (stamp: Stamp, quiet: Millis) {
    const documents = yield* documentsOf(folder, stamp)
    if (documents === null || (quiet < PATIENCE_MS && !documents.every(isReadable))) return false
    const results = yield* submit(documents, {
      supersede: options.supersede,
      dryRun: false,
      tasks: "open",
    })
    const rejected = results.filter(({ outcome }) => outcome === "rejected")
    const at = yield* Clock.currentTimeMillis
    const path = yield* moveInto(folder, stamp.name, rejected.length > 0 ? "rejected" : "done")
    // Written to, or replaced, since it was read: what it holds now is another file, and has its turn.
    if (path !== null && !(yield* moveBackIfWritten(folder, path, stamp))) {
      taken.push({ path, stamp, at })
      if (rejected.length > 0) yield* writeBeside(folder, `${path}.reason.json`, reasonOf(stamp, results, at))
    }
    sum.ingested += 1
    if (rejected.length > 0) sum.rejected += 1
    yield* listener.ingested({ file: stamp.name, moved_to: path, results })
    return true
  })

  /** Puts back what was written to after it was taken: it is read again, and what is known already stays queued once. */
  const lookBack = Effect.fn("operations.watch.lookBack")(function* (now: Millis) {
    for (const { path, stamp } of taken) yield* moveBackIfWritten(folder, path, stamp)
    taken = taken.filter(({ at }) => at + KEPT_MS > now)
  })

  const look = Effect.fn("operations.watch.look")(function* () {
    const now = yield* Clock.currentTimeMillis
    yield* lookBack(now)
    const stamps = yield* listInbox(folder)
    const next = new Map<string, Seen>()
    const left: string[] = []
    for (const stamp of stamps) {
      const before = seen.get(stamp.name)
      const quiet = quietFor(stamp, before, now)
      if (quiet >= SETTLED_MS && (yield* take(stamp, quiet))) continue
      next.set(stamp.name, before?.key === stamp.key ? before : { key: stamp.key, since: now })
      left.push(stamp.name)
    }
    seen = next
    return left
  })

  let left = yield* look()
  if (once && left.length > 0) {
    yield* Effect.sleep(SETTLED_MS)
    left = yield* look()
  }
  while (!once) {
    yield* Effect.sleep(LOOK_MS)
    left = yield* look().pipe(
      Effect.catchAll((error) =>
        Effect.as(Effect.zipRight(listener.troubled(error), Effect.sleep(RETRY_MS)), left),
      ),
    )
  }
  return { ...sum, left } satisfies WatchSummary
})

/** What a file holds; null when it is not what it was a moment ago. */
const documentsOf = (folder: string, stamp: Stamp): Effect.Effect<readonly Document[] | null> => {
  // One that is too large need not be read to be refused.
  const limit = DOCUMENT_LIMITS.maxFileBytes
  if (stamp.size > limit) {
    const violation = {
      code: "too_large",
      path: stamp.name,
      message: `${stamp.name} is ${stamp.size} bytes; the limit of a file is ${limit}`,
      hint: "split it into several files",
    }
    return Effect.succeed([{ kind: "unreadable", index: 0, where: stamp.name, line: 1, violation }])
  }
  return Effect.map(readStamped(folder, stamp), (bytes) => bytes && readDocuments(bytes, stamp.name))
}

const reasonOf = (stamp: Stamp, results: readonly Submission[], at: Millis) => ({
  schema_version: 1,
  file: stamp.name,
  rejected_at: toTimestamp(at),
  rejected: results
    .filter(({ outcome }) => outcome === "rejected")
    .map(({ where, task_id, violations }) => ({ where, task_id, violations })),
  /** Of the same file, what was queued all the same. */
  queued: results
    .filter(({ outcome }) => outcome !== "rejected")
    .map(({ where, task_id, entry_id, outcome }) => ({ where, task_id, entry_id, outcome })),
})
