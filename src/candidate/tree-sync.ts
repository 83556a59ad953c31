import { lstatSync, mkdirSync, readlinkSync, symlinkSync } from "node:fs"
import * as Effect from "effect/Effect"
import { blobOid } from "../platform/git/objects.ts"
import { CandidateFailed, detailOf } from "./errors.ts"
import { type Manifest, type Oid, parentOf } from "./manifest.ts"
import type { Slot } from "./slot.ts"
import { compare, readState, type SlotState, type WrittenFile, writeState, written } from "./slot-state.ts"
import { below, isEntry, list, remove, writeEntry } from "./tree-files.ts"

/** Whole contents by object name; every asked name must be there. */
export type ReadBlobs<E> = (oids: readonly Oid[]) => Effect.Effect<ReadonlyMap<Oid, Uint8Array>, E>

export interface TreePlan {
  readonly manifest: Manifest
  readonly folders: ReadonlySet<string>
  /** Path → folder it shows. In a sandbox an empty folder to mount on, else a link. */
  readonly mounts: ReadonlyMap<string, string>
  readonly mountAs: "folder" | "link"
}

/** Files per read: keeps memory flat and lets other work in between. */
const BATCH = 256

const attempt = <A>(path: string, operation: CandidateFailed["operation"], run: () => A) =>
  Effect.try({
    try: run,
    catch: (error) =>
      error instanceof CandidateFailed
        ? error
        : new CandidateFailed({ operation, path, detail: detailOf(error) }),
  })

/** Removes all that is not in the plan, and files that are not as we wrote them. Returns what may stay. */
const sweep = (root: string, plan: TreePlan, state: SlotState): Map<string, WrittenFile> => {
  const kept = new Map<string, WrittenFile>()
  const mayStay = (path: string): boolean => {
    const want = plan.manifest.get(path)
    const have = state.files.get(path)
    if (want === undefined || have === undefined || want.oid !== have.oid || want.mode !== have.mode)
      return false
    const stat = lstatSync(below(root, path), { bigint: true })
    const verdict = compare(have, stat, state)
    if (verdict === "touched") return false
    if (verdict === "unsure" && !isEntry(below(root, path), want, stat)) return false
    kept.set(path, have)
    return true
  }
  const visit = (folder: string): void => {
    for (const [name, type] of list(below(root, folder))) {
      const path = folder === "" ? name : `${folder}/${name}`
      if (path === ".git" || plan.mounts.has(path)) continue
      if (type === "folder" && plan.folders.has(path)) visit(path)
      else if (type === "folder" || type === "other" || !mayStay(path)) remove(below(root, path))
    }
  }
  visit("")
  return kept
}

const makeFolders = (root: string, plan: TreePlan): void => {
  for (const folder of Array.from(plan.folders).sort((left, right) => left.length - right.length)) {
    const path = below(root, folder)
    if (lstatSync(path, { throwIfNoEntry: false }) === undefined) mkdirSync(path, 0o755)
  }
  // A gitlink is an empty folder, as git checks it out without its submodule.
  for (const [path, entry] of plan.manifest) if (entry.mode === "160000") mkdirSync(below(root, path), 0o755)
}

const placeMounts = (root: string, plan: TreePlan): void => {
  for (const [path, source] of plan.mounts) {
    const place = `${root}/${path}`
    const stat = lstatSync(place, { throwIfNoEntry: false })
    if (plan.mountAs === "folder" && stat?.isDirectory() && list(place).length === 0) continue
    if (plan.mountAs === "link" && stat?.isSymbolicLink() && readlinkSync(place) === source) continue
    remove(place)
    if (plan.mountAs === "folder") mkdirSync(place, 0o755)
    else symlinkSync(source, place)
  }
}

const prepareFolders = (slot: Slot, plan: TreePlan): Map<string, WrittenFile> => {
  if (!lstatSync(slot.tree, { throwIfNoEntry: false })?.isDirectory()) {
    remove(slot.tree)
    mkdirSync(slot.tree, 0o700)
  }
  const kept = sweep(slot.tree, plan, readState(slot.state))
  makeFolders(slot.tree, plan)
  return kept
}

const writeBatch = (
  root: string,
  plan: TreePlan,
  paths: readonly string[],
  blobs: ReadonlyMap<Oid, Uint8Array>,
  files: Map<string, WrittenFile>,
): void => {
  for (const folder of new Set(paths.map(parentOf))) {
    if (!lstatSync(below(root, folder)).isDirectory()) throw new Error(`${folder} is no longer a folder`)
  }
  for (const path of paths) {
    const entry = plan.manifest.get(path)!
    const bytes = blobs.get(entry.oid)
    if (bytes === undefined || blobOid(bytes) !== entry.oid) {
      const detail = bytes === undefined ? `no content for ${entry.oid}` : `the content is not ${entry.oid}`
      throw new CandidateFailed({ operation: "check_blob", path, detail })
    }
    files.set(path, written(entry, writeEntry(below(root, path), entry, bytes)))
  }
}

/**
 * Makes the slot's tree exactly the plan: writes what differs or was touched, removes all else, never through a link.
 * Returns every file as it is on disk.
 */
export const syncTree = Effect.fn("candidate.syncTree")(function* <E>(
  slot: Slot,
  plan: TreePlan,
  readBlobs: ReadBlobs<E>,
) {
  const files = yield* attempt(slot.tree, "read_slot", () => prepareFolders(slot, plan))
  const missing = Array.from(plan.manifest)
    .filter(([path, entry]) => entry.mode !== "160000" && !files.has(path))
    .map(([path]) => path)
  for (let at = 0; at < missing.length; at += BATCH) {
    const paths = missing.slice(at, at + BATCH)
    const oids = new Set(paths.map((path) => plan.manifest.get(path)!.oid))
    const blobs = yield* readBlobs(Array.from(oids))
    yield* attempt(paths[0]!, "write_tree", () => writeBatch(slot.tree, plan, paths, blobs, files))
    yield* Effect.yieldNow()
  }
  yield* attempt(slot.tree, "write_tree", () => {
    placeMounts(slot.tree, plan)
    writeState(slot.state, files)
  })
  return files as ReadonlyMap<string, WrittenFile>
})
