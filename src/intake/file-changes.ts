import type { Change } from "../domain/change-request.ts"
import { sha256Hex } from "../domain/hash.ts"
import type { ObjectReader } from "../platform/git/cat-file.ts"
import type { Oid } from "../platform/git/objects.ts"
import { ProposeFailed } from "./history.ts"
import { type FileDiff, parseTreeDiff } from "./tree-diff.ts"

export const MAX_DIFF_BYTES = 256 * 1024 * 1024
/** Pre-images in memory at once. */
const BLOBS_AT_ONCE = 16
const KNOWN_HASHES = 50_000

/** The files of an answer to `asked`; throws ProposeFailed about `revision` when there is none that can be used. */
export const filesOf = (
  answer: Buffer | null,
  asked: { readonly from: Oid; readonly to: Oid },
  revision: string,
): readonly FileDiff[] => {
  if (answer === null)
    throw new ProposeFailed({
      reason: "too_large",
      revision,
      detail: "its diff is too large to hold in memory",
    })
  const files = parseTreeDiff(answer, asked)
  if (files.ok) return files.value
  throw new ProposeFailed({
    reason: "unexpected_output",
    revision,
    detail: `git diff-tree gave ${files.error}`,
  })
}

/** Git's own patches as changes, with the hash of each pre-image; `known` remembers hashes between calls. */
export const changesOf = async (
  objects: ObjectReader,
  files: readonly FileDiff[],
  revision: string,
  known: Map<Oid, string>,
): Promise<Change[]> => {
  const baseHashes = await hashPreImages(objects, files, revision, known)
  return files.map((file, index) => toChange(file, baseHashes[index] ?? null))
}

/** Whether the path is not UTF-8, so that no JSON can name it. */
export const hasLostPath = ({ path }: FileDiff): boolean => !Buffer.from(path.toString("utf8")).equals(path)

/** SHA-256 of each file's old content, in the order of `files`; a blob that was hashed before is not read again. */
const hashPreImages = async (
  objects: ObjectReader,
  files: readonly FileDiff[],
  revision: string,
  known: Map<Oid, string>,
): Promise<readonly (string | null)[]> => {
  if (known.size > KNOWN_HASHES) known.clear()
  const missing = [...new Set(files.flatMap(({ oldOid }) => (oldOid && !known.has(oldOid) ? [oldOid] : [])))]
  for (let from = 0; from < missing.length; from += BLOBS_AT_ONCE) {
    const oids = missing.slice(from, from + BLOBS_AT_ONCE)
    for (const [index, object] of (await objects.read(oids)).entries()) {
      if (!object)
        throw new ProposeFailed({
          reason: "incomplete_history",
          revision,
          detail: `the repository does not have the blob ${oids[index]} (a partial clone?)`,
        })
      known.set(oids[index]!, sha256Hex(object.body))
    }
  }
  return files.map(({ oldOid }) => (oldOid === null ? null : known.get(oldOid)!))
}

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })

const toChange = ({ path, operation, patch }: FileDiff, baseHash: string | null): Change => {
  const payload = { patch_hash: sha256Hex(patch), ...(baseHash === null ? {} : { base_hash: baseHash }) }
  const head = { path: path.toString("utf8"), operation }
  try {
    return { ...head, patch: utf8.decode(patch), ...payload }
  } catch {
    return { ...head, patch: patch.toString("base64"), patch_encoding: "base64", ...payload }
  }
}
