import { fail, ok, type Result } from "../domain/result.ts"

/** One path on which a tree differs from another; `null` = it is not in the new tree. */
export interface ManifestEntry {
  /** A byte string: one UTF-16 unit per byte, since a path need not be UTF-8. */
  readonly path: string
  readonly to: {
    readonly mode: string
    readonly oid: string
    /** Of the stored content; null for a submodule, and where it was too large to be kept. */
    readonly sha256: string | null
  } | null
}

const RAW = /^:\d{6} (\d{6}) [0-9a-f]{40} ([0-9a-f]{40}) [A-Z]\d*$/

/** Reads `git diff-tree -r -z --raw --no-abbrev`: the new side of every path, without content. */
export const parseRawDiff = (answer: Buffer): Result<readonly ManifestEntry[], string> => {
  const fields = answer.toString("latin1").split("\0")
  const entries: ManifestEntry[] = []
  for (let at = 0; at + 1 < fields.length; at += 2) {
    const record = RAW.exec(fields[at]!)
    if (!record) return fail(`a record of git diff-tree that cannot be read: ${fields[at]}`)
    const [, mode, oid] = record
    const path = fields[at + 1]!
    entries.push({ path, to: mode === "000000" ? null : { mode: mode!, oid: oid!, sha256: null } })
  }
  return ok(entries)
}

/** One line a path, so that equal manifests are equal bytes. */
export const encodeManifest = (entries: readonly ManifestEntry[]): Uint8Array =>
  new TextEncoder().encode(
    entries
      .map(({ path, to }) => `${JSON.stringify(to ? [path, to.mode, to.oid, to.sha256] : [path])}\n`)
      .join(""),
  )

export const decodeManifest = (bytes: Uint8Array): Result<readonly ManifestEntry[], string> => {
  try {
    return ok(
      new TextDecoder()
        .decode(bytes)
        .split("\n")
        .slice(0, -1)
        .map((line): ManifestEntry => {
          const [path, mode, oid, sha256] = JSON.parse(line)
          return { path, to: mode === undefined ? null : { mode, oid, sha256 } }
        }),
    )
  } catch {
    return fail("the manifest cannot be read")
  }
}
