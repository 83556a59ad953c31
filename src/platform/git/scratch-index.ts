import { mkdirSync, mkdtempSync, rmSync } from "node:fs"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { errnoOf, type GitFailed, StoreFailed } from "./errors.ts"
import type { Oid } from "./objects.ts"
import { pathToByteString } from "./path-bytes.ts"
import { type Environment, type GitAnswer, runGit, runGitOk } from "./process.ts"
import type { BlobEntry } from "./tree-edit.ts"

/** An index of its own for one computation, by real git processes; nothing of the operator's is read or written. */
export interface ScratchIndex {
  readonly readTree: (tree: Oid) => Effect.Effect<void, GitFailed>
  /** `git apply --cached`; exit code and words are the caller's to judge. */
  readonly apply: (patch: Uint8Array) => Effect.Effect<GitAnswer, GitFailed>
  /** Sets paths to entries whose objects need not exist; null removes. */
  readonly put: (files: ReadonlyMap<string, BlobEntry | null>) => Effect.Effect<void, GitFailed>
  readonly writeTree: Effect.Effect<Oid, GitFailed>
  /** Writes all files into a folder; no filter, attribute or hook acts. */
  readonly checkOut: (folder: string) => Effect.Effect<void, GitFailed>
  /** Takes what a folder holds now; new files that its .gitignore names are left out. */
  readonly addAll: (folder: string) => Effect.Effect<void, GitFailed>
}

export interface ScratchIndexOptions {
  readonly env: Environment
  /** Hyperion's own, whose attributes keep every byte as it is. */
  readonly ownGitDir: string
  /** New objects vanish with the scope instead of going into Hyperion's own store. */
  readonly throwAway: boolean
}

export const scratchIndex = ({
  env,
  ownGitDir,
  throwAway,
}: ScratchIndexOptions): Effect.Effect<ScratchIndex, StoreFailed, Scope.Scope> =>
  Effect.map(
    Effect.acquireRelease(
      Effect.try({
        try: () => {
          const folder = mkdtempSync(`${ownGitDir}/scratch-`)
          mkdirSync(`${folder}/objects`)
          return folder
        },
        catch: (error) => new StoreFailed({ operation: "mkdtemp", path: ownGitDir, code: errnoOf(error) }),
      }),
      (folder) => Effect.sync(() => rmSync(folder, { recursive: true, force: true })),
    ),
    (folder): ScratchIndex => {
      const call = (args: readonly string[], stdin?: Uint8Array, worktree: string = folder) => ({
        gitDir: ownGitDir,
        cwd: worktree,
        config: ["core.bare=false", "core.fileMode=true", "core.symlinks=true", "core.autocrlf=false"],
        env: {
          GIT_WORK_TREE: worktree,
          GIT_INDEX_FILE: `${folder}/index`,
          ...(throwAway && {
            GIT_OBJECT_DIRECTORY: `${folder}/objects`,
            GIT_ALTERNATE_OBJECT_DIRECTORIES: `${ownGitDir}/objects`,
          }),
        },
        args,
        ...(stdin === undefined ? {} : { stdin }),
      })
      const git = (args: readonly string[], stdin?: Uint8Array, worktree?: string) =>
        runGitOk(env, call(args, stdin, worktree))
      return {
        readTree: (tree) => Effect.asVoid(git(["read-tree", tree])),
        apply: (patch) =>
          runGit(env, call(["apply", "--cached", "--unidiff-zero", "--whitespace=nowarn", "-"], patch)),
        put: (files) => {
          const lines = [...files].map(([path, entry]) => {
            const name = pathToByteString(path)
            return { entry, line: `${entry?.mode ?? "0"} ${entry?.oid ?? "0".repeat(40)}\t${name}\0` }
          })
          // Removals first: a file may make room for a folder of its name.
          const ordered = [...lines.filter(({ entry }) => !entry), ...lines.filter(({ entry }) => entry)]
          const stdin = Buffer.from(ordered.map(({ line }) => line).join(""), "latin1")
          return lines.length === 0
            ? Effect.void
            : Effect.asVoid(git(["update-index", "-z", "--index-info"], stdin))
        },
        writeTree: Effect.map(git(["write-tree", "--missing-ok"]), ({ stdout }) =>
          stdout.toString("latin1").trim(),
        ),
        checkOut: (target) => Effect.asVoid(git(["checkout-index", "--all", "--quiet"], undefined, target)),
        addAll: (source) => Effect.asVoid(git(["add", "--all", "."], undefined, source)),
      }
    },
  )
