import * as Effect from "effect/Effect"
import { entriesOf, type GitIndex } from "../platform/git/index-file.ts"
import { EMPTY_TREE, type Oid } from "../platform/git/objects.ts"
import { pathToByteString } from "../platform/git/path-bytes.ts"
import { type BlobEntry, findFile } from "../platform/git/tree-edit.ts"
import { LandingFailed } from "./errors.ts"
import { fileName, openFolders, parentsOf } from "./folders.ts"
import { holds, identityOf } from "./holds.ts"
import type { LandingRecord, RecordedFile, RecordedWorktree } from "./LandingJournal.ts"
import { needsRecovery } from "./move-ref.ts"
import { dropName, linkOrCreate, type Sides, sidesOf } from "./placing.ts"
import { makeRepair } from "./repair.ts"
import { failedAt, type LandingDependencies } from "./surroundings.ts"
import { nextIndex, readIndex } from "./worktree-index.ts"

/** What became of a landing whose process died in it. */
export interface Recovery {
  /** `blocked`: somebody else's lock is in the way; nothing was done, the record must stay open. */
  readonly outcome: "finished" | "undone" | "blocked"
  /** Paths where somebody else wrote: their bytes stay. */
  readonly left: readonly string[]
  readonly reason: string
}

type Lock = "ours" | "none" | "theirs"

/** Beyond it git, which has an index of its commits, is faster. */
const WALK_LIMIT = 2_000

/**
 * The ref decides: where the landing's tip is on the branch, the working tree and its index are brought to it, else
 * back from it. Every step may be the one after which this process dies too.
 */
export const makeRecovery = ({ git, files }: Pick<LandingDependencies, "git" | "files">) => {
  const failing = (operation: string, path: string) => (error: unknown) =>
    error instanceof LandingFailed ? error : needsRecovery(failedAt(operation, path, error))

  const attempt = <A>(operation: string, path: string, act: () => A) =>
    Effect.try({ try: act, catch: failing(operation, path) })

  const lockOf = ({ lock }: RecordedWorktree): Lock => {
    if (files.stat(lock.path) === null) return "none"
    return files.read(lock.path).toString("utf8") === lock.content ? "ours" : "theirs"
  }

  const takeLock = ({ lock }: RecordedWorktree): Lock => {
    const found = lockOf({ lock } as RecordedWorktree)
    if (found !== "none") return found
    if (files.stat(lock.mark) === null || files.read(lock.mark).toString("utf8") !== lock.content) {
      dropName(files, lock.mark)
      files.create(lock.mark, Buffer.from(lock.content), 0o666)
    }
    try {
      linkOrCreate(files, lock.mark, lock.path, lock.content)
      return "ours"
    } catch (error) {
      if ((error as { readonly code?: unknown }).code === "EEXIST") return "theirs"
      throw error
    }
  }

  /** Does the working tree still show the landing's branch, with nothing else under way in it? */
  const isShown = (record: LandingRecord, worktree: RecordedWorktree) =>
    Effect.map(git.worktrees, (all) =>
      all.some(
        (tree) =>
          tree.gitDir === worktree.gitDir && tree.branch === record.branch && files.stat(tree.root) !== null,
      ),
    )

  /** What the branch's tip has at the recorded paths: others may have gone on from the landing. */
  const entriesAt = (commit: Oid | null, recorded: readonly RecordedFile[]) =>
    Effect.gen(function* () {
      const root = commit === null ? EMPTY_TREE : yield* git.treeOf(commit)
      const paths = recorded.map((file) => file.path)
      const trees = yield* git.treesAlong(root, paths)
      return new Map(paths.map((path) => [path, findFile(root, path, trees) ?? null]))
    })

  const same = (left: BlobEntry | null, right: BlobEntry | null): boolean =>
    left?.oid === right?.oid && left?.mode === right?.mode

  /** Paths of which the index still says what it said before the landing. */
  const staleIn = (index: GitIndex, recorded: readonly RecordedFile[]) =>
    recorded.filter((file) => {
      const [entry, ...more] = entriesOf(index, pathToByteString(file.path))
      if (entry === undefined) return file.before === null
      return more.length === 0 && entry.stage === 0 && same(entry, file.before)
    })

  /** The index, where it still says what it said before, told of what is in place now. */
  const writeIndex = (worktree: RecordedWorktree, recorded: readonly RecordedFile[]) => {
    const folders = openFolders(files, worktree.root)
    try {
      const read = readIndex(files, worktree.gitDir, null)
      if (!read.ok) throw Object.assign(new Error(read.error.message), { code: "INDEX" })
      const { index, stat } = read.value
      const stale = staleIn(index, recorded)
      if (stale.length === 0) return
      const stats = new Map(
        stale.flatMap((file) => {
          const name = folders.locate(file.path)
          if (file.after === null || typeof name !== "string") return []
          const before = files.stat(name)
          if (before === null || !holds(files, name, file.after, git.layout.fileMode)) return []
          const after = files.stat(name)
          return after && identityOf(after) === identityOf(before) ? [[file.path, after] as const] : []
        }),
      )
      dropName(files, worktree.newIndex)
      const mode = stat ? Number(stat.mode & 0o777n) : 0o666
      files.create(worktree.newIndex, nextIndex(files, folders, read.value, stale, stats), mode)
    } finally {
      folders.close()
    }
  }

  const flush = (record: LandingRecord, paths: readonly string[]) =>
    record.durable
      ? Effect.tryPromise({
          try: () => files.flush(paths.filter((path) => files.stat(path) !== null)),
          catch: failing("flush", paths[0] ?? ""),
        })
      : Effect.void

  const repairTree = (
    record: LandingRecord,
    worktree: RecordedWorktree,
    landed: boolean,
    recorded: readonly RecordedFile[],
  ) =>
    Effect.gen(function* () {
      const sides = recorded.filter((file) => !file.indexOnly).map(sidesOf)
      const wanted = sides.flatMap(({ after }) => (landed && after ? [after.oid] : []))
      const blobs = yield* Effect.mapError(git.readBlobs(wanted), failing("read objects of", record.tip))
      const contents = new Map(wanted.map((oid, at) => [oid, blobs[at]!]))
      const left = yield* attempt("repair", worktree.root, () => {
        const folders = openFolders(files, worktree.root)
        try {
          const { stageDir } = worktree
          const repair = makeRepair({
            files,
            folders,
            stageDir,
            fileMode: git.layout.fileMode,
            contentOf: (entry) => contents.get(entry.oid)!,
          })
          if (landed) repair.forward(sides)
          else repair.back(sides, worktree.newFolders)
          return repair.left()
        } finally {
          folders.close()
        }
      })
      const touched = sides
        .flatMap((file) => parentsOf(file.path))
        .map((folder) => `${worktree.root}/${folder}`)
      const contentsOf = sides.flatMap((file: Sides) => (file.after ? [`${worktree.root}/${file.path}`] : []))
      const regular = contentsOf.filter((path) => files.stat(path)?.isFile())
      yield* flush(record, [...new Set([worktree.root, ...touched, ...(landed ? regular : [])])])
      return left
    })

  /** Gives everything back that carries the landing's mark; the lock last. */
  const release = (record: LandingRecord) =>
    Effect.gen(function* () {
      const { worktree } = record
      yield* Effect.mapError(
        git.releaseRef(record.branch, fileName(record.landingId)),
        failing("release", record.branch),
      )
      if (worktree === null || files.stat(worktree.gitDir) === null) return
      yield* attempt("unlock", worktree.lock.path, () => {
        dropName(files, worktree.newIndex)
        if (lockOf(worktree) === "ours") files.unlink(worktree.lock.path)
        dropName(files, worktree.lock.mark)
      })
    })

  /** Nothing to do, and nobody to be kept out while it is done. */
  const isSettled = (worktree: RecordedWorktree, landed: boolean): boolean => {
    if (lockOf(worktree) !== "none") return false
    if (landed) {
      const read = readIndex(files, worktree.gitDir, null)
      return read.ok && staleIn(read.value.index, worktree.files).length === 0
    }
    const folders = openFolders(files, worktree.root)
    try {
      // Without the lock nothing was ever exchanged; a look costs little, and a lock can be taken away by hand.
      return worktree.files.every((file) => {
        const name = file.indexOnly || file.before === null ? null : folders.locate(file.path)
        return typeof name !== "string" || holds(files, name, file.before!, git.layout.fileMode)
      })
    } finally {
      folders.close()
    }
  }

  const inWorktree = (
    record: LandingRecord,
    worktree: RecordedWorktree,
    actual: Oid | null,
    landed: boolean,
  ) =>
    Effect.gen(function* () {
      if (yield* attempt("inspect", worktree.root, () => isSettled(worktree, landed))) return []
      const lock = yield* attempt("lock", worktree.lock.path, () => takeLock(worktree))
      if (lock !== "ours") return null
      const now = yield* Effect.mapError(entriesAt(actual, worktree.files), failing("read", record.branch))
      const recorded = worktree.files.filter((file) =>
        same(now.get(file.path) ?? null, landed ? file.after : file.before),
      )
      const left = yield* repairTree(record, worktree, landed, recorded)
      if (!landed) return left
      yield* attempt("write", worktree.newIndex, () => writeIndex(worktree, recorded))
      yield* flush(record, [worktree.newIndex])
      yield* attempt("publish", `${worktree.gitDir}/index`, () => {
        if (files.stat(worktree.newIndex)) files.rename(worktree.newIndex, `${worktree.gitDir}/index`)
      })
      yield* flush(record, [worktree.gitDir])
      return left
    })

  /** Commits of a branch, newest first, read as far as anybody asked: a thousand records cost one walk. */
  let walk: { readonly from: Oid; readonly seen: Set<Oid>; readonly todo: Oid[] } | null = null

  const isIn = (wanted: Oid, actual: Oid) =>
    Effect.gen(function* () {
      if (walk?.from !== actual) walk = { from: actual, seen: new Set([actual]), todo: [actual] }
      const { seen, todo } = walk
      for (let next = todo.shift(); next !== undefined; next = todo.shift()) {
        if (seen.has(wanted)) {
          todo.unshift(next)
          return true
        }
        if (seen.size > WALK_LIMIT) {
          todo.unshift(next)
          return yield* git.isAncestor(wanted, actual)
        }
        for (const parent of (yield* git.readCommit(next)).parents) {
          if (seen.has(parent)) continue
          seen.add(parent)
          todo.push(parent)
        }
      }
      return seen.has(wanted)
    })

  /** Without a ref to ask: forward, unless somebody else's edit is in the way; then all of it goes back. */
  const inFiles = (record: LandingRecord): Effect.Effect<Recovery, LandingFailed> =>
    Effect.gen(function* () {
      const worktree = record.worktree!
      const lock = yield* attempt("lock", worktree.lock.path, () => takeLock(worktree))
      if (lock !== "ours") return heldByOthers(worktree)
      const { files: recorded } = worktree
      const foreign = yield* attempt("inspect", worktree.root, () => foreignIn(worktree))
      const ahead = foreign.length > 0 ? foreign : yield* repairTree(record, worktree, true, recorded)
      const left = ahead.length > 0 ? yield* repairTree(record, worktree, false, recorded) : []
      yield* release(record)
      const kept = [...new Set([...ahead, ...left])]
      return { outcome: ahead.length > 0 ? "undone" : "finished", left: kept, reason: "" } satisfies Recovery
    })

  const foreignIn = ({ root, stageDir, files: recorded }: RecordedWorktree): readonly string[] => {
    const folders = openFolders(files, root)
    try {
      const contentOf = () => new Uint8Array()
      const repair = makeRepair({ files, folders, stageDir, fileMode: git.layout.fileMode, contentOf })
      return repair.foreign(recorded.map(sidesOf))
    } finally {
      folders.close()
    }
  }

  const heldByOthers = ({ lock }: RecordedWorktree): Recovery => {
    const reason = `${lock.path} is held by another git process`
    return { outcome: "blocked", left: [], reason }
  }

  const recover = (record: LandingRecord): Effect.Effect<Recovery, LandingFailed> =>
    Effect.gen(function* () {
      const { branch, tip, worktree } = record
      if (record.mode === "worktree") return yield* inFiles(record)
      const actual = yield* Effect.mapError(git.resolveRef(branch), failing("read", branch))
      const landed =
        actual !== null &&
        actual !== record.base &&
        (yield* Effect.mapError(isIn(tip, actual), failing("read", branch)))
      const outcome = landed ? "finished" : "undone"
      if (
        worktree === null ||
        !(yield* Effect.mapError(isShown(record, worktree), failing("read", branch)))
      ) {
        yield* release(record)
        return { outcome, left: [], reason: "" } satisfies Recovery
      }
      const left = yield* inWorktree(record, worktree, actual, landed)
      if (left === null) return heldByOthers(worktree)
      yield* release(record)
      return { outcome, left, reason: "" } satisfies Recovery
    })

  return { recover }
}
