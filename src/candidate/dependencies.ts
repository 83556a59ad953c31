import { existsSync, lstatSync, readdirSync, readFileSync, realpathSync, statSync } from "node:fs"
import { basename, dirname, join } from "node:path"
import { canonicalDigest } from "../domain/hash.ts"
import { blobOid } from "../platform/git/objects.ts"
import { CANDIDATE_PATH, type ReadOnlyBind } from "../platform/sandbox-mounts.ts"
import { governingFiles, governingFolders } from "./lockfiles.ts"
import { isMountable, type Manifest, type Oid, parentOf } from "./manifest.ts"

export const DEFAULT_MOUNTS: readonly string[] = ["node_modules", ".venv", "vendor"]

export interface Mount {
  readonly path: string
  readonly source: string
  /** Governing file → object name: what the dependencies were made from. */
  readonly made: ReadonlyMap<string, Oid>
}

/** A dependency folder a guard may look for and not find. */
export interface MissingMount {
  readonly path: string
  readonly reason: string
}

/** What a candidate has of its dependencies. `digest` changes whenever what a guard sees through the mounts may have. */
export interface Dependencies {
  readonly mounted: readonly Mount[]
  readonly missing: readonly MissingMount[]
  readonly digest: string
}

/** Files that govern a mount, as the candidate has them. */
const inManifest = (mount: string, manifest: Manifest): ReadonlyMap<string, Oid> => {
  const folders = new Set(governingFolders(mount))
  const files = new Map<string, Oid>()
  for (const [path, entry] of manifest) if (folders.has(parentOf(path))) files.set(path, entry.oid)
  return files
}

const inLiveTree = (mount: string, root: string): ReadonlyMap<string, Oid> => {
  const files = new Map<string, Oid>()
  for (const folder of governingFolders(mount)) {
    if (!existsSync(join(root, folder))) continue
    for (const entry of readdirSync(join(root, folder), { withFileTypes: true })) {
      const path = folder === "" ? entry.name : `${folder}/${entry.name}`
      const { locks, declared } = governingFiles(mount, [path])
      if (entry.isFile() && locks.length + declared.length > 0) {
        files.set(path, blobOid(readFileSync(join(root, path))))
      }
    }
  }
  return files
}

/** The object names that decide the mount's content: of lockfiles, or where there is none, of what declares them. */
const deciding = (mount: string, files: ReadonlyMap<string, Oid>): ReadonlyMap<string, Oid> => {
  const { locks, declared } = governingFiles(mount, Array.from(files.keys()))
  return new Map((locks.length > 0 ? locks : declared).map((path) => [path, files.get(path)!]))
}

const firstDifference = (left: ReadonlyMap<string, Oid>, right: ReadonlyMap<string, Oid>): string | null =>
  Array.from(new Set([...left.keys(), ...right.keys()]))
    .sort()
    .find((path) => left.get(path) !== right.get(path)) ?? null

/** Whether the tree itself has something at, above or below the path, so that nothing may be mounted there. */
const isOccupied = (path: string, manifest: Manifest, folders: ReadonlySet<string>): boolean =>
  manifest.has(path) || folders.has(path) || (parentOf(path) !== "" && !folders.has(parentOf(path)))

/**
 * Which of the wanted folders of the live tree may stand in for the candidate's dependencies: those that exist and
 * whose lockfiles are the same on both sides. One that is wanted, governed by a lockfile and not usable is missing.
 */
export const mountsFromLive = (
  liveRoot: string,
  wanted: readonly string[],
  manifest: Manifest,
  folders: ReadonlySet<string>,
): { readonly mounted: readonly Mount[]; readonly missing: readonly MissingMount[] } => {
  const mounted: Mount[] = []
  const missing: MissingMount[] = []
  for (const path of new Set(wanted)) {
    if (!isMountable(path) || isOccupied(path, manifest, folders)) continue
    const made = deciding(path, inManifest(path, manifest))
    if (!existsSync(join(liveRoot, path))) {
      const locks = governingFiles(path, Array.from(made.keys())).locks
      if (locks.length > 0) missing.push({ path, reason: `the working tree has no ${path}` })
      continue
    }
    const different = firstDifference(made, deciding(path, inLiveTree(path, liveRoot)))
    if (different === null) mounted.push({ path, source: join(liveRoot, path), made })
    else
      missing.push({
        path,
        reason: `${different} differs from the working tree's, so its ${path} does not fit`,
      })
  }
  return { mounted, missing }
}

/** Outputs of `prepare` that were stored in `store`; paths occupied by the tree are left out. */
export const mountsFromStore = (
  store: string,
  keep: readonly string[],
  made: ReadonlyMap<string, Oid>,
  manifest: Manifest,
  folders: ReadonlySet<string>,
): readonly Mount[] =>
  keep
    .filter(
      (path) => isMountable(path) && !isOccupied(path, manifest, folders) && existsSync(join(store, path)),
    )
    .map((path) => ({ path, source: join(store, path), made }))

export const dependencies = (mounted: readonly Mount[], missing: readonly MissingMount[]): Dependencies => ({
  mounted,
  missing,
  digest: canonicalDigest({
    mounted: mounted.map(({ path, source, made }) => ({
      path,
      // Installing again renews the folder's own entry; its whole content is never read.
      changed: String(statSync(source, { bigint: true }).mtimeNs),
      made: Object.fromEntries(made),
    })),
    missing: missing.map(({ path }) => path),
  }),
})

/** A virtual environment's scripts name it by its old absolute path, and its interpreter is a link to elsewhere. */
const pythonBinds = (mount: Mount): readonly ReadOnlyBind[] => {
  const link = join(mount.source, "bin", "python")
  if (basename(mount.path) !== ".venv" || lstatSync(link, { throwIfNoEntry: false }) === undefined) return []
  const binds: ReadOnlyBind[] = [{ source: mount.source, target: mount.source }]
  const prefix = existsSync(link) ? dirname(dirname(realpathSync(link))) : "/usr"
  if (prefix === "/usr" || prefix.startsWith("/usr/")) return binds
  const parts = ["bin", "lib"].map((name) => join(prefix, name)).filter((path) => existsSync(path))
  return [...binds, ...parts.map((path) => ({ source: path, target: path }))]
}

export const mountBinds = (mounts: readonly Mount[]): readonly ReadOnlyBind[] =>
  mounts.flatMap((mount) => [
    { source: mount.source, target: `${CANDIDATE_PATH}/${mount.path}` },
    ...pythonBinds(mount),
  ])
