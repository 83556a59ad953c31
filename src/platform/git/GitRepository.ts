import { mkdirSync } from "node:fs"
import { dirname } from "node:path"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Failpoints } from "../Failpoints.ts"
import { askConversions, attributeFiles, type CheckoutConversion, conversionPossible } from "./attributes.ts"
import { makeObjectReader } from "./cat-file.ts"
import {
  errnoOf,
  type GitFailed,
  ObjectUnreadable,
  type ReadError,
  RefMoved,
  type RepositoryNotFound,
  type RepositoryUnsupported,
  StoreFailed,
  TreeEditRefused,
} from "./errors.ts"
import { discover, type RepositoryLayout } from "./layout.ts"
import { makeObjectAccess } from "./object-access.ts"
import { addObjects, flushPaths } from "./object-store.ts"
import { type Commit, type GitObject, type Oid, ZERO_OID } from "./objects.ts"
import { makeOwnGitDir } from "./own-git-dir.ts"
import { type Environment, type GitAnswer, type GitCall, gitFailed, runGit, runGitOk } from "./process.ts"
import { releaseRefFile, updateRefFile } from "./ref-file.ts"
import { finalRef, followRef, readRef } from "./refs.ts"
import { parseTree, type TreeEntry } from "./tree.ts"
import {
  type BlobEntry,
  type EditedTree,
  editTree,
  findFile,
  type TreeEffects,
  type TreeReader,
} from "./tree-edit.ts"
import { configStamp, readUserConfig, type UserConfig } from "./user-config.ts"
import { listWorktrees, type Worktree } from "./worktrees.ts"

export interface GitRepositoryOptions {
  /** Where to look for the repository: this folder or one above it. */
  readonly start: string
  /** Hyperion's cache folder, outside the repository. */
  readonly cacheDir: string
  /** The operator's environment: PATH, HOME, GIT_COMMITTER_*, GIT_CONFIG_*. */
  readonly env: Environment
}

export interface Identity {
  readonly name: string
  readonly email: string
}

/** Where HEAD is: `ref` null when detached, `oid` null on an unborn branch. */
export interface Head {
  readonly ref: string | null
  readonly oid: Oid | null
}

export interface RefUpdate {
  /** Full name, `refs/heads/…`. */
  readonly ref: string
  /** null deletes the ref. */
  readonly newOid: Oid | null
  /** null: the ref must not exist. */
  readonly expected: Oid | null
  /** The reflog line. */
  readonly message: string
  readonly durable: boolean
  /** Of the working tree that has the branch checked out, so that its HEAD's reflog is kept as well. */
  readonly gitDir?: string
  /**
   * Every lock carries this mark (letters, digits, `.`, `_`, `-`), so that `releaseRef` can clear what a killed
   * process left. `ref` must not be a symbolic one. Not for reftable, whose locks are git's own.
   */
  readonly mark?: string
  /** As `prepareRefFile` and `refFolders` (ref-file.ts) say; for a marked update. */
  readonly isPrepared?: boolean
  readonly flushesLater?: boolean
}

export interface GitRepositoryShape {
  readonly layout: RepositoryLayout
  /** Hyperion's own git directory over this repository's objects: no foreign hooks, filters or attributes. */
  readonly ownGitDir: string
  readonly head: Effect.Effect<Head, GitFailed>
  /** Follows symbolic refs; null when the ref does not exist. `name` is full (`refs/heads/main`) or `HEAD`. */
  readonly resolveRef: (name: string) => Effect.Effect<Oid | null, GitFailed>
  /** The ref that symbolic refs from `name` end at, existing or not. */
  readonly finalRef: (name: string) => Effect.Effect<string, GitFailed>
  /** Pipelined through one process; null per object the store lacks. */
  readonly readObjects: (oids: readonly Oid[]) => Effect.Effect<readonly (GitObject | null)[], ReadError>
  readonly readBlobs: (oids: readonly Oid[]) => Effect.Effect<readonly Uint8Array[], ReadError>
  readonly readCommit: (oid: Oid) => Effect.Effect<Commit, ReadError>
  /** Entry names are byte strings (path-bytes.ts). */
  readonly readTree: (oid: Oid) => Effect.Effect<readonly TreeEntry[], ReadError>
  /** The tree a commit or tree names. */
  readonly treeOf: (commitOrTree: Oid) => Effect.Effect<Oid, ReadError>
  /** Loads the trees that the paths run through, for the pure functions of tree-edit.ts. */
  readonly treesAlong: (root: Oid, paths: Iterable<string>) => Effect.Effect<TreeReader, ReadError>
  /** The file at `path`, null when there is none. */
  readonly lookup: (commitOrTree: Oid, path: string) => Effect.Effect<BlobEntry | null, ReadError>
  /** Every file of a tree (or of a commit's tree), gitlinks included. */
  readonly listTree: (commitOrTree: Oid) => Effect.Effect<ReadonlyMap<string, BlobEntry>, ReadError>
  /** Nothing is written: hand `trees` to `writeObjects`. */
  readonly editTree: (
    root: Oid,
    effects: TreeEffects,
  ) => Effect.Effect<EditedTree, ReadError | TreeEditRefused>
  /** Into the repository's own store, loose or as one pack. `durable`: survives a power cut after this returns. */
  readonly writeObjects: (
    objects: readonly GitObject[],
    options: { readonly durable: boolean },
  ) => Effect.Effect<void, StoreFailed>
  /** Into Hyperion's own store, not the repository's: for trees that are proven before anything lands. */
  readonly keepObjects: (objects: readonly GitObject[]) => Effect.Effect<void, StoreFailed>
  /** Compare-and-swap; the reflog is kept, no hook runs. */
  readonly updateRef: (update: RefUpdate) => Effect.Effect<void, RefMoved | GitFailed | StoreFailed>
  /** Clears the locks that a dead `updateRef` with this mark left on the ref. */
  readonly releaseRef: (ref: string, mark: string) => Effect.Effect<void, StoreFailed>
  /** Is `ancestor` the same commit as `descendant`, or one of its ancestors? False when either is not there. */
  readonly isAncestor: (ancestor: Oid, descendant: Oid) => Effect.Effect<boolean, GitFailed>
  /** The operator's committer identity; read once. */
  readonly identity: Effect.Effect<Identity, GitFailed>
  readonly worktrees: Effect.Effect<readonly Worktree[], GitFailed>
  /** Per path: would its checked-out bytes differ from its blob's, with the attributes of this tree? */
  readonly checkAttributes: (
    paths: readonly string[],
    tree: Oid,
  ) => Effect.Effect<ReadonlyMap<string, CheckoutConversion>, ReadError | StoreFailed>
  /** Any other git command on the real repository, guarded as all of ours are. Fails on an exit code but 0. */
  readonly run: (
    call: Omit<GitCall, "gitDir"> & { readonly gitDir?: string },
  ) => Effect.Effect<GitAnswer, GitFailed>
}

export class GitRepository extends Context.Tag("hyperion/platform/git/GitRepository")<
  GitRepository,
  GitRepositoryShape
>() {
  static readonly layer = (
    options: GitRepositoryOptions,
  ): Layer.Layer<GitRepository, RepositoryNotFound | RepositoryUnsupported | StoreFailed> =>
    Layer.scoped(GitRepository, make(options))
}

const FALLBACK: Identity = { name: "Hyperion", email: "hyperion@localhost" }

const storing = (operation: string, path: string) => (error: unknown) =>
  new StoreFailed({ operation, path, code: errnoOf(error) })

const make = Effect.fn("GitRepository.make")(function* (options: GitRepositoryOptions) {
  const { env, cacheDir } = options
  const found = discover(options.start)
  if (!found.ok) return yield* found.error
  const layout = found.value
  const failpoints = yield* Failpoints
  const ownGitDir = yield* Effect.try({
    try: () => {
      mkdirSync(cacheDir, { recursive: true, mode: 0o700 })
      return makeOwnGitDir(cacheDir, layout)
    },
    catch: storing("prepare", cacheDir),
  })
  const reader = yield* Effect.acquireRelease(
    Effect.sync(() => makeObjectReader(ownGitDir, env, [layout.objectDir, `${ownGitDir}/objects`])),
    (open) => Effect.sync(() => open.close()),
  )
  const objects = makeObjectAccess(reader)

  let known: { readonly stamp: string; readonly config: UserConfig } | null = null
  const userConfig = Effect.suspend(() => {
    const stamp = configStamp(env, layout)
    if (known?.stamp === stamp) return Effect.succeed(known.config)
    return Effect.tap(readUserConfig(env, layout), (config) => {
      known = { stamp, config }
    })
  })

  const identity = yield* Effect.cached(
    Effect.map(userConfig, (config): Identity => {
      const pick = (key: "name" | "email") =>
        env[`GIT_COMMITTER_${key.toUpperCase()}`] ||
        config.get(`committer.${key}`) ||
        config.get(`user.${key}`)
      return { name: pick("name") || FALLBACK.name, email: pick("email") || FALLBACK.email }
    }),
  )

  const ask = (args: readonly string[]) =>
    Effect.flatMap(runGit(env, { args, gitDir: layout.gitDir }), (answer) => {
      if (answer.exitCode > 1) return Effect.fail(gitFailed(args, answer))
      return Effect.succeed(answer.exitCode === 0 ? answer.stdout.toString("utf8").trim() : null)
    })
  const isReftable = layout.refStorage === "reftable"

  const resolveRef = Effect.fn("GitRepository.resolveRef")((name: string) =>
    isReftable
      ? ask(["rev-parse", "--verify", "--quiet", "--end-of-options", name])
      : Effect.sync(() => followRef(layout, name).oid),
  )

  const head = Effect.gen(function* () {
    if (isReftable) {
      const ref = yield* ask(["symbolic-ref", "--quiet", "HEAD"])
      return { ref, oid: yield* resolveRef("HEAD") }
    }
    const value = readRef(layout, "HEAD")
    return { ref: value?.kind === "symbolic" ? value.target : null, oid: followRef(layout, "HEAD").oid }
  })

  const worktrees = Effect.gen(function* () {
    const listed = listWorktrees(layout)
    if (!isReftable) return listed
    const branches = new Map<string, string | null>()
    for (const worktree of listed) {
      const args = ["symbolic-ref", "--quiet", "HEAD"]
      const answer = yield* runGit(env, { args, gitDir: worktree.gitDir })
      branches.set(worktree.gitDir, answer.exitCode === 0 ? answer.stdout.toString("utf8").trim() : null)
    }
    return listed.map((worktree) => ({ ...worktree, branch: branches.get(worktree.gitDir) ?? null }))
  })

  const updateMarked = (update: RefUpdate & { readonly mark: string }) =>
    Effect.gen(function* () {
      const { ref, expected } = update
      const who = yield* identity
      const seconds = Math.floor((yield* Clock.currentTimeMillis) / 1000)
      const moved = yield* Effect.tryPromise({
        try: () =>
          updateRefFile(layout, { ...update, who: { ...who, seconds, offset: "+0000" } }, failpoints.pass),
        catch: storing("move", ref),
      })
      if (!moved) return yield* new RefMoved({ ref, expected, actual: yield* resolveRef(ref) })
    })

  const updateRef = Effect.fn("GitRepository.updateRef")(function* (update: RefUpdate) {
    const { ref, newOid, expected, mark } = update
    if (mark !== undefined && !isReftable) return yield* updateMarked({ ...update, mark })
    const who = yield* identity
    const call: GitCall = {
      args:
        newOid === null
          ? ["update-ref", "-m", update.message, "-d", ref, expected ?? ZERO_OID]
          : ["update-ref", "-m", update.message, ref, newOid, expected ?? ZERO_OID],
      gitDir: update.gitDir ?? layout.gitDir,
      config: update.durable ? ["core.fsync=committed,reference"] : [],
      env: { GIT_COMMITTER_NAME: who.name, GIT_COMMITTER_EMAIL: who.email },
    }
    const answer = yield* runGit(env, call)
    if (answer.exitCode !== 0) {
      const actual = yield* resolveRef(ref)
      if (actual !== expected) return yield* new RefMoved({ ref, expected, actual })
      return yield* gitFailed(call.args, answer)
    }
    if (!update.durable || isReftable) return
    const folders = [layout.commonDir]
    for (
      let folder = `${layout.commonDir}/${dirname(ref)}`;
      folder !== layout.commonDir;
      folder = dirname(folder)
    ) {
      folders.push(folder)
    }
    yield* Effect.tryPromise({
      try: () => flushPaths(folders),
      catch: storing("fsync", folders[1] ?? layout.commonDir),
    }).pipe(Effect.when(() => newOid !== null))
  })

  const checkAttributes = Effect.fn("GitRepository.checkAttributes")(function* (
    paths: readonly string[],
    tree: Oid,
  ) {
    const config = yield* userConfig
    const candidates = attributeFiles(paths)
    const read = yield* objects.treesAlong(tree, candidates)
    const files = new Map<string, BlobEntry>()
    for (const path of candidates) {
      const entry = findFile(tree, path, read)
      if (entry?.mode.startsWith("100")) files.set(path, entry)
    }
    if (paths.length === 0 || !conversionPossible(env, layout, config, files.size > 0)) {
      return new Map(paths.map((path) => [path, null]))
    }
    return yield* askConversions(env, layout, cacheDir, config, paths, files)
  })

  const releaseRef = Effect.fn("GitRepository.releaseRef")((ref: string, mark: string) =>
    Effect.try({ try: () => releaseRefFile(layout, ref, mark), catch: storing("release", ref) }),
  )

  const isAncestor = Effect.fn("GitRepository.isAncestor")(function* (ancestor: Oid, descendant: Oid) {
    if (ancestor === descendant) return true
    const args = ["merge-base", "--is-ancestor", ancestor, descendant]
    return (yield* runGit(env, { args, gitDir: layout.gitDir })).exitCode === 0
  })

  const treeOf = Effect.fn("GitRepository.treeOf")(objects.treeOf)

  return GitRepository.of({
    layout,
    ownGitDir,
    head,
    resolveRef,
    finalRef: Effect.fn("GitRepository.finalRef")((name: string) =>
      isReftable
        ? Effect.map(ask(["symbolic-ref", "--quiet", name]), (target) => target ?? name)
        : Effect.sync(() => finalRef(layout, name)),
    ),
    worktrees,
    updateRef,
    releaseRef,
    isAncestor,
    checkAttributes,
    identity,
    treeOf,
    readObjects: Effect.fn("GitRepository.readObjects")(objects.readObjects),
    readBlobs: Effect.fn("GitRepository.readBlobs")((oids: readonly Oid[]) =>
      Effect.map(objects.readTyped(oids, "blob"), (blobs) => blobs.map((blob) => blob.body)),
    ),
    readCommit: Effect.fn("GitRepository.readCommit")(objects.readCommit),
    readTree: Effect.fn("GitRepository.readTree")(function* (oid: Oid) {
      const bodies = yield* objects.treeBodies([oid])
      const entries = parseTree(bodies.get(oid)!)
      return entries ?? (yield* new ObjectUnreadable({ oid, reason: "malformed" }))
    }),
    treesAlong: Effect.fn("GitRepository.treesAlong")(objects.treesAlong),
    lookup: Effect.fn("GitRepository.lookup")(function* (commitOrTree: Oid, path: string) {
      const root = yield* treeOf(commitOrTree)
      return findFile(root, path, yield* objects.treesAlong(root, [path])) ?? null
    }),
    listTree: Effect.fn("GitRepository.listTree")((commitOrTree: Oid) =>
      Effect.flatMap(treeOf(commitOrTree), objects.listTree),
    ),
    editTree: Effect.fn("GitRepository.editTree")(function* (root: Oid, effects: TreeEffects) {
      const read = yield* objects.treesAlong(root, effects.keys())
      const edited = editTree(root, effects, read)
      if (!edited.ok) return yield* new TreeEditRefused({ problem: edited.error })
      for (const tree of edited.value.trees) objects.cache.put(tree.oid, tree.body)
      return edited.value
    }),
    writeObjects: Effect.fn("GitRepository.writeObjects")(
      (written: readonly GitObject[], { durable }: { readonly durable: boolean }) =>
        Effect.tryPromise({
          try: () => addObjects(layout.objectDir, written, durable),
          catch: storing("write objects to", layout.objectDir),
        }),
    ),
    keepObjects: Effect.fn("GitRepository.keepObjects")((kept: readonly GitObject[]) =>
      Effect.tryPromise({
        try: () => addObjects(`${ownGitDir}/objects`, kept, false),
        catch: storing("write objects to", ownGitDir),
      }),
    ),
    run: Effect.fn("GitRepository.run")((call: Omit<GitCall, "gitDir"> & { readonly gitDir?: string }) =>
      runGitOk(env, { gitDir: layout.gitDir, ...call }),
    ),
  })
})
