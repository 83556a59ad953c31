import { compareText } from "./change-request.ts"
import { type Policy, SENSITIVE_CORE, SENSITIVE_DEFAULT } from "./policy.ts"

export interface SensitivePath {
  readonly path: string
  /** The first pattern that matched, as the policy or the built-in list writes it. */
  readonly pattern: string
}

/**
 * The patterns in force. `remove` takes away default ones by their exact text; the core stays unless `remove` holds
 * `"*"`, which switches both built-in lists off. What `add` names is always in force.
 */
export const sensitivePatterns = (settings: Policy["sensitive_paths"]): readonly string[] => {
  const removed = new Set(settings.remove)
  if (removed.has("*")) return settings.add
  return [
    ...new Set([
      ...SENSITIVE_CORE,
      ...SENSITIVE_DEFAULT.filter((pattern) => !removed.has(pattern)),
      ...settings.add,
    ]),
  ]
}

/**
 * Whether a path falls under a pattern that protects. Case and Unicode form do not count: `.GitHub/` is obeyed where
 * the file system folds. `x/**` also means `x` itself, or a symlink of that name would stand in for the folder.
 */
export const protects = (pattern: string): ((path: string) => boolean) => {
  const lower = pattern.toLowerCase()
  const glob = new Bun.Glob(lower)
  const folder = lower.endsWith("/**") ? new Bun.Glob(lower.slice(0, -3)) : null
  return (path) => {
    const folded = path.normalize("NFC").toLowerCase()
    return glob.match(folded) || folder?.match(folded) === true
  }
}

/** Which of `paths` an approval must name, sorted by path, each once. */
export const sensitivePaths = (
  paths: Iterable<string>,
  policy: Pick<Policy, "sensitive_paths">,
): readonly SensitivePath[] => {
  const globs = sensitivePatterns(policy.sensitive_paths).map((pattern) => ({
    pattern,
    matches: protects(pattern),
  }))
  return [...new Set(paths)].sort(compareText).flatMap((path) => {
    const hit = globs.find((glob) => glob.matches(path))
    return hit ? [{ path, pattern: hit.pattern }] : []
  })
}
