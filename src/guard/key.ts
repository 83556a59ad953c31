import { canonicalDigest } from "../domain/hash.ts"
import type { GuardSpec } from "../domain/policy.ts"

/**
 * What a remembered result is filed under: everything that can change how the guard ends on this tree. Its time limit
 * and its retries are left out, because a result that is remembered did not depend on them.
 */
export const guardKey = (tree: string, guard: GuardSpec, envDigest: string, depsDigest: string): string =>
  canonicalDigest({
    version: 1,
    tree,
    id: guard.id,
    command: guard.command,
    network: guard.network,
    env: envDigest,
    dependencies: depsDigest,
  })

/** A guard with `when` globs runs when a changed path matches one of them; with none, always. */
export const applies = (guard: GuardSpec, changedPaths: readonly string[]): boolean => {
  if (guard.when.length === 0) return true
  const globs = guard.when.map((pattern) => new Bun.Glob(pattern))
  return changedPaths.some((path) => globs.some((glob) => glob.match(path)))
}
