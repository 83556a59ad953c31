import { existsSync, readFileSync, realpathSync, statSync } from "node:fs"
import { basename, dirname, resolve } from "node:path"
import { fail, ok, type Result } from "../../domain/result.ts"
import { type ConfigValues, isTrue, lastValue, parseConfig } from "./config-file.ts"
import { RepositoryNotFound, RepositoryUnsupported } from "./errors.ts"

/** Where a repository's parts are (absolute paths) and how it is configured, by its own files alone. */
export interface RepositoryLayout {
  /** Of the working tree we stand in; for a linked one `…/.git/worktrees/<id>`. */
  readonly gitDir: string
  /** What all working trees share. */
  readonly commonDir: string
  readonly objectDir: string
  /** Root of the working tree we stand in; null in a bare repository. */
  readonly worktree: string | null
  readonly isBare: boolean
  readonly refStorage: "files" | "reftable"
  /** `core.fileMode`: whether the exec bit of a checked-out file can be trusted. */
  readonly fileMode: boolean
  /** `core.symlinks`: whether links are checked out as links. */
  readonly symlinks: boolean
  /** `core.logAllRefUpdates`: whether a ref without a log gets one. */
  readonly logsRefs: boolean
}

const isDirectory = (path: string): boolean => {
  try {
    return statSync(path).isDirectory()
  } catch {
    return false
  }
}

const readText = (path: string): string | null => {
  try {
    return readFileSync(path, "utf8")
  } catch {
    return null
  }
}

/** As git tests it: HEAD, refs and objects (the latter two may live in the common directory). */
const isGitDir = (path: string): boolean =>
  existsSync(`${path}/HEAD`) &&
  ((isDirectory(`${path}/objects`) && isDirectory(`${path}/refs`)) || existsSync(`${path}/commondir`))

const pointedAt = (dotGit: string): string | null => {
  const target = readText(dotGit)?.match(/^gitdir: (.+?)\r?\n?$/s)?.[1]
  return target === undefined ? null : resolve(dirname(dotGit), target)
}

interface Found {
  readonly gitDir: string
  readonly worktree: string | null
}

const find = (start: string): Found | null => {
  for (let folder = start; ; folder = dirname(folder)) {
    const dotGit = `${folder === "/" ? "" : folder}/.git`
    if (isDirectory(dotGit) && isGitDir(dotGit)) return { gitDir: dotGit, worktree: folder }
    const pointed = pointedAt(dotGit)
    if (pointed !== null && isGitDir(pointed)) return { gitDir: pointed, worktree: folder }
    if (isGitDir(folder)) return { gitDir: folder, worktree: null }
    if (dirname(folder) === folder) return null
  }
}

export const commonDirOf = (gitDir: string): string => {
  const common = readText(`${gitDir}/commondir`)?.trim()
  return common ? resolve(gitDir, common) : gitDir
}

const KNOWN_EXTENSIONS = new Set([
  "noop",
  "noop-v1",
  "objectformat",
  "partialclone",
  "preciousobjects",
  "refstorage",
  "relativeworktrees",
  "worktreeconfig",
])

const unsupportedFeature = (config: ConfigValues): string | null => {
  const version = lastValue(config, "core.repositoryformatversion") ?? "0"
  if (version !== "0" && version !== "1") return `core.repositoryFormatVersion=${version}`
  const format = lastValue(config, "extensions.objectformat")
  if (format !== undefined && format.toLowerCase() !== "sha1") return `extensions.objectFormat=${format}`
  const refs = lastValue(config, "extensions.refstorage")
  if (refs !== undefined && refs !== "files" && refs !== "reftable") return `extensions.refStorage=${refs}`
  if (version === "0") return null
  const unknown = Array.from(config.keys()).find(
    (name) => name.startsWith("extensions.") && !KNOWN_EXTENSIONS.has(name.slice("extensions.".length)),
  )
  return unknown ?? null
}

const merged = (under: ConfigValues, over: ConfigValues): ConfigValues => new Map([...under, ...over])

/**
 * The repository `start` belongs to, found as git finds it (a `.git` folder, a `gitdir:` file, a bare repository),
 * walking up. Reads files only; no process.
 */
export const discover = (
  start: string,
): Result<RepositoryLayout, RepositoryNotFound | RepositoryUnsupported> => {
  if (!existsSync(start)) return fail(new RepositoryNotFound({ start }))
  const found = find(realpathSync(start))
  if (!found) return fail(new RepositoryNotFound({ start }))
  const gitDir = realpathSync(found.gitDir)
  const unsupported = (feature: string) => fail(new RepositoryUnsupported({ gitDir, feature }))
  const commonDir = realpathSync(commonDirOf(gitDir))
  const shared = parseConfig(readText(`${commonDir}/config`) ?? "")
  if (!shared) return unsupported("unreadable config file")
  const feature = unsupportedFeature(shared)
  if (feature !== null) return unsupported(feature)
  const own = isTrue(lastValue(shared, "extensions.worktreeconfig"))
    ? parseConfig(readText(`${gitDir}/config.worktree`) ?? "")
    : new Map<string, readonly string[]>()
  if (!own) return unsupported("unreadable config.worktree file")
  const config = merged(shared, own)
  const linked = gitDir !== commonDir
  const configured = linked ? undefined : lastValue(config, "core.worktree")
  const isBare = !linked && configured === undefined && isTrue(lastValue(config, "core.bare"))
  const outside = configured === undefined ? found.worktree : resolve(gitDir, configured)
  const inside = basename(gitDir) === ".git" && !linked ? dirname(gitDir) : null
  const bare = isBare || (outside ?? inside) === null
  const logs = lastValue(config, "core.logallrefupdates")
  return ok({
    gitDir,
    commonDir,
    objectDir: `${commonDir}/objects`,
    worktree: isBare ? null : (outside ?? inside),
    isBare: bare,
    refStorage: lastValue(config, "extensions.refstorage") === "reftable" ? "reftable" : "files",
    fileMode: lastValue(config, "core.filemode") === undefined || isTrue(lastValue(config, "core.filemode")),
    symlinks: lastValue(config, "core.symlinks") === undefined || isTrue(lastValue(config, "core.symlinks")),
    logsRefs: logs === undefined ? !bare : logs === "always" || isTrue(logs),
  })
}
