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
 * Which of `paths` an approval must name, sorted by path, each once. Case does not count: `.GitHub/` is obeyed where
 * the file system folds. `x/**` also means `x` itself, or a symlink of that name would stand in for the folder.
 */
export const sensitivePaths = (
  paths: Iterable<string>,
  policy: Pick<Policy, "sensitive_paths">,
): readonly SensitivePath[] => {
  const globs = sensitivePatterns(policy.sensitive_paths).map((pattern) => {
    const lower = pattern.toLowerCase()
    const glob = new Bun.Glob(lower)
    const folder = lower.endsWith("/**") ? new Bun.Glob(lower.slice(0, -3)) : null
    return { pattern, matches: (path: string) => glob.match(path) || folder?.match(path) === true }
  })
  return [...new Set(paths)].sort(compareText).flatMap((path) => {
    const lower = path.normalize("NFC").toLowerCase()
    const hit = globs.find((glob) => glob.matches(lower))
    return hit ? [{ path, pattern: hit.pattern }] : []
  })
}
