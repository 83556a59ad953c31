import { existsSync, mkdtempSync, rmSync } from "node:fs"
import { resolve } from "node:path"
import * as Effect from "effect/Effect"
import { errnoOf, type GitFailed, StoreFailed } from "./errors.ts"
import type { RepositoryLayout } from "./layout.ts"
import { EMPTY_TREE, type Oid } from "./objects.ts"
import { type Environment, gitFailed, runGit, runGitOk } from "./process.ts"

/** What a working tree holds, as a tree in Hyperion's own store. */
export interface WorktreeTree {
  readonly tree: Oid
  /** The commit that is checked out and its tree; null and the empty tree on an unborn branch. */
  readonly head: Oid | null
  readonly headTree: Oid
  /** Other repositories below, which are nobody's files here. */
  readonly repositories: readonly string[]
}

export interface WorktreeTreeInput {
  readonly env: Environment
  /** Of the working tree itself: a linked one has its own HEAD and index. */
  readonly layout: RepositoryLayout & { readonly worktree: string }
  readonly ownGitDir: string
}

/** Paths are byte strings (latin1). */
const fields = (stdout: Buffer): readonly string[] => stdout.toString("latin1").split("\0").slice(0, -1)

const temporaryFolder = (parent: string) =>
  Effect.acquireRelease(
    Effect.try({
      try: () => mkdtempSync(`${parent}/worktree-`),
      catch: (error) => new StoreFailed({ operation: "mkdtemp", path: parent, code: errnoOf(error) }),
    }),
    (folder) => Effect.sync(() => rmSync(folder, { recursive: true, force: true })),
  )

/** One value that the operator's own git answers about this working tree; null when it has none (exit code 1). */
const ask = ({ env, layout }: WorktreeTreeInput, args: readonly string[], userConfig: boolean) =>
  Effect.flatMap(runGit(env, { gitDir: layout.gitDir, args, userConfig }), (answer) => {
    if (answer.exitCode > 1) return Effect.fail(gitFailed(args, answer))
    return Effect.succeed(answer.exitCode === 0 ? answer.stdout.toString("utf8").replace(/\n$/, "") : null)
  })

const excludeFiles = ({ env, layout }: WorktreeTreeInput, configured: string | null): readonly string[] => {
  const xdg = env["XDG_CONFIG_HOME"] || `${env["HOME"] ?? ""}/.config`
  return [`${layout.commonDir}/info/exclude`, configured ?? `${xdg}/git/ignore`]
    .map((path) => resolve(layout.worktree, path))
    .filter((path) => existsSync(path))
    .map((path) => `--exclude-from=${path}`)
}

/**
 * Writes what the working tree holds now as a tree: tracked files as they are on disk, and new ones that are not
 * ignored. Nothing of the operator's is touched, not even the index, and no filter or hook runs: git works in
 * Hyperion's own directory. Bytes are those on disk; where attributes convert them, that is for the caller to refuse.
 */
export const writeWorktreeTree = (
  input: WorktreeTreeInput,
): Effect.Effect<WorktreeTree, GitFailed | StoreFailed> =>
  Effect.scoped(
    Effect.gen(function* () {
      const { env, layout, ownGitDir } = input
      const folder = yield* temporaryFolder(ownGitDir)
      const git = (index: string, args: readonly string[], stdin?: Buffer) =>
        Effect.map(
          runGitOk(env, {
            gitDir: ownGitDir,
            cwd: layout.worktree,
            config: [
              "core.bare=false",
              `core.fileMode=${layout.fileMode}`,
              `core.symlinks=${layout.symlinks}`,
            ],
            env: { GIT_WORK_TREE: layout.worktree, GIT_INDEX_FILE: index },
            args,
            ...(stdin === undefined ? {} : { stdin }),
          }),
          (answer) => answer.stdout,
        )
      const theirs = `${layout.gitDir}/index`
      const ours = `${folder}/index`
      const head = yield* ask(input, ["rev-parse", "--verify", "--quiet", "HEAD^{commit}"], false)
      const excludes = yield* ask(input, ["config", "--type=path", "--get", "core.excludesFile"], true)
      const headTree =
        head === null
          ? EMPTY_TREE
          : (yield* git(ours, ["rev-parse", "--verify", `${head}^{tree}`])).toString("latin1").trim()

      const staged = fields(
        yield* git(theirs, ["diff-index", "--cached", "-z", "--name-only", "--no-renames", headTree]),
      )
      const edited = fields(
        yield* git(theirs, ["diff-files", "-z", "--name-only", "--ignore-submodules=dirty"]),
      )
      const untracked = fields(
        yield* git(theirs, [
          "ls-files",
          "-z",
          "--others",
          ...excludeFiles(input, excludes),
          "--exclude-per-directory=.gitignore",
        ]),
      )
      // A sparse checkout leaves files out on purpose: their absence is no deletion.
      const absent = new Set(
        fields(yield* git(theirs, ["ls-files", "-z", "-t", "--cached"]))
          .filter((line) => line.startsWith("S "))
          .map((line) => line.slice(2)),
      )
      const candidates = [...new Set([...staged, ...edited, ...untracked])].filter(
        (path) => !path.endsWith("/") && !path.startsWith(".hyperion/") && !absent.has(path),
      )

      yield* git(ours, ["read-tree", headTree])
      if (candidates.length > 0)
        yield* git(
          ours,
          ["update-index", "-z", "--add", "--remove", "--replace", "--stdin"],
          Buffer.from(`${candidates.join("\0")}\0`, "latin1"),
        )
      const tree = (yield* git(ours, ["write-tree"])).toString("latin1").trim()
      const repositories = untracked.filter((path) => path.endsWith("/"))
      return {
        tree,
        head,
        headTree,
        repositories: repositories.map((path) => Buffer.from(path, "latin1").toString("utf8")),
      }
    }),
  )
