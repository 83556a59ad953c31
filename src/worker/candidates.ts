import * as Effect from "effect/Effect"
import {
  CandidateService,
  type CandidateTree,
  type CandidateWorkspace,
} from "../candidate/CandidateService.ts"
import { DEFAULT_MOUNTS } from "../candidate/dependencies.ts"
import type { Manifest } from "../candidate/manifest.ts"
import type { Policy } from "../domain/policy.ts"
import type { GuardSettings } from "../guard/target.ts"
import { cacheDir } from "../platform/cache-dir.ts"
import { childEnv } from "../platform/child-env.ts"
import type { ReadError } from "../platform/git/errors.ts"
import { GitRepository } from "../platform/git/GitRepository.ts"
import type { GitObject, Oid } from "../platform/git/objects.ts"
import { Operator } from "../platform/Operator.ts"
import { CurrentWorkspace } from "../platform/Workspace.ts"

/** Folder for candidates and prepared dependencies of this repository, outside of it. */
const candidateRoot = (env: Parameters<typeof cacheDir>[0], root: string): string =>
  `${cacheDir(env)}/work/${new Bun.CryptoHasher("sha256").update(root).digest("hex").slice(0, 16)}`

/** Dependency folders that git ignores in the live tree, there or not: only those may be shown to a candidate. */
const ignoredMounts = Effect.fn("worker.ignoredMounts")(function* (
  wanted: readonly string[],
  liveRoot: string,
) {
  const git = yield* GitRepository
  const ignored = (paths: readonly string[]) =>
    git
      .run({
        // It refuses the literal pathspecs that every other call is given.
        args: ["--no-literal-pathspecs", "check-ignore", "-z", "--stdin"],
        cwd: liveRoot,
        userConfig: true,
        env: { GIT_WORK_TREE: liveRoot },
        stdin: Buffer.from(paths.map((path) => `${path}\0`).join("")),
      })
      .pipe(
        Effect.map(({ stdout }) => new Set(stdout.toString("utf8").split("\0"))),
        // Exit 1: none is. Anything else git cannot answer is no reason to show a folder.
        Effect.orElseSucceed(() => new Set<string>()),
      )
  const plain = yield* ignored(wanted)
  const rest = wanted.filter((path) => !plain.has(path))
  // A pattern for folders matches one that is not there only by the slash.
  const folders = rest.length === 0 ? plain : yield* ignored(rest.map((path) => `${path}/`))
  return wanted.filter((path) => plain.has(path) || folders.has(`${path}/`))
})

export interface ProvingGround {
  readonly workspace: CandidateWorkspace
  readonly settings: GuardSettings
}

/** Where and how guards of this workspace run under a policy. */
export const provingGround = Effect.fn("worker.provingGround")(function* (policy: Policy) {
  const { env } = yield* Operator
  const { root, stateDir } = yield* CurrentWorkspace
  const hidden = [root, stateDir]
  return {
    workspace: {
      root: candidateRoot(env, root),
      liveRoot: root,
      mounts: yield* ignoredMounts(policy.mounts ?? DEFAULT_MOUNTS, root),
      prepare: policy.prepare,
      sandbox: policy.sandbox,
      env: childEnv({ source: env, set: { CI: "true" } }),
      hidden,
    },
    settings: {
      sandbox: policy.sandbox,
      environment: env,
      hidden,
      logDir: `${stateDir}/logs`,
      solo: true,
    },
  } satisfies ProvingGround
})

/** A tree to prove: `objects` are those the repository does not have yet. */
export interface TreeToProve {
  readonly tree: Oid
  readonly base: Oid | null
  readonly objects: readonly GitObject[]
}

/** Puts a tree into a candidate folder until the scope closes. Objects not stored yet go to Hyperion's own store first. */
export const materialize = Effect.fn("worker.materialize")(function* (
  ground: ProvingGround,
  wanted: TreeToProve,
) {
  const git = yield* GitRepository
  const candidates = yield* CandidateService
  yield* git.keepObjects(wanted.objects)
  const manifest: Manifest = yield* git.listTree(wanted.tree)
  const tree: CandidateTree<ReadError> = {
    tree: wanted.tree,
    manifest,
    readBlobs: (oids) =>
      Effect.map(git.readBlobs(oids), (blobs) => new Map(oids.map((oid, index) => [oid, blobs[index]!]))),
    git: { objectDirs: [`${git.ownGitDir}/objects`], base: wanted.base },
  }
  return yield* candidates.materialize(ground.workspace, tree)
})
