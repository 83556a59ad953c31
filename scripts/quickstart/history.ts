import { must } from "./run.ts"

export interface Commit {
  readonly revision: string
  readonly tree: string
}

type Env = Readonly<Record<string, string>>

/** The first-parent history of `ref`, oldest first. */
export const firstParent = (gitDir: string, ref: string, env: Env): readonly Commit[] =>
  must({
    argv: ["git", "--git-dir", gitDir, "log", "--first-parent", "--reverse", "--format=%H %T", ref, "--"],
    cwd: gitDir,
    env,
  })
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => ({ revision: line.slice(0, 40), tree: line.slice(41) }))

/**
 * The tree as git writes it today. Old histories hold trees with zero-padded modes (`040000`), which say the same under
 * another id. Writes an index into `gitDir`: for a copy of a repository only.
 */
export const canonicalTree = (gitDir: string, tree: string, env: Env): string => {
  const call = (...args: readonly string[]) =>
    must({
      argv: ["git", "--git-dir", gitDir, ...args],
      cwd: gitDir,
      env: { ...env, GIT_INDEX_FILE: `${gitDir}/canonical-index` },
    }).trim()
  call("read-tree", tree)
  return call("write-tree")
}

/** Whether two trees hold the same, however old the git that wrote them. */
export const sameTree = (gitDir: string, wanted: string, got: string, env: Env): boolean =>
  wanted === got || canonicalTree(gitDir, wanted, env) === got

/** A copy that borrows the objects of `source`, so that nothing is ever written there. `env` must read `source`. */
export const borrow = (
  source: string,
  into: string,
  env: Readonly<Record<string, string | undefined>>,
): void => {
  must({ argv: ["git", "clone", "-q", "--bare", "--shared", source, into], cwd: "/", env })
}
