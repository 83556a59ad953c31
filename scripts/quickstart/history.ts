import { must, mustBytes } from "./run.ts"

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
 * another id. Entry by entry, because `read-tree` remembers the id and `write-tree` would give it back. Writes into
 * `gitDir`: for a copy of a repository only.
 */
export const canonicalTree = (gitDir: string, tree: string, env: Env): string => {
  const scratch = { ...env, GIT_INDEX_FILE: `${gitDir}/canonical-index` }
  const git = (args: readonly string[], stdin?: Uint8Array) =>
    must({
      argv: ["git", "--git-dir", gitDir, ...args],
      cwd: gitDir,
      env: scratch,
      ...(stdin && { stdin }),
    })
  const list = mustBytes({
    argv: ["git", "--git-dir", gitDir, "ls-tree", "-r", "-z", tree],
    cwd: gitDir,
    env,
  })
  git(["read-tree", "--empty"])
  git(["update-index", "-z", "--index-info"], list)
  return git(["write-tree"]).trim()
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
