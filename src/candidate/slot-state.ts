import { type BigIntStats, readFileSync, renameSync, statSync, writeFileSync } from "node:fs"
import type { FileMode } from "../domain/files.ts"
import type { ManifestEntry, Oid } from "./manifest.ts"
import { bootId } from "./slot.ts"

/** A file as we wrote it. Any later write, chmod, link or replacement moves `ctimeNs`, which no program can set. */
export interface WrittenFile extends ManifestEntry {
  readonly size: bigint
  readonly mtimeNs: bigint
  readonly ctimeNs: bigint
  readonly ino: bigint
  readonly dev: bigint
}

export interface SlotState {
  readonly files: ReadonlyMap<string, WrittenFile>
  /** When the record was written, by the file system's clock. A file changed at or after it is not vouched for. */
  readonly recordedNs: bigint
}

export const written = (entry: ManifestEntry, stat: BigIntStats): WrittenFile => ({
  mode: entry.mode,
  oid: entry.oid,
  size: stat.size,
  mtimeNs: stat.mtimeNs,
  ctimeNs: stat.ctimeNs,
  ino: stat.ino,
  dev: stat.dev,
})

/**
 * Whether the file on disk is still the one we wrote. A timestamp has a granularity: a change in the very tick of the
 * record would look the same, so for a file whose own stamp is not before the record's only its content tells.
 */
export const compare = (
  file: WrittenFile,
  stat: BigIntStats,
  state: SlotState,
): "untouched" | "unsure" | "touched" => {
  const same =
    stat.ctimeNs === file.ctimeNs &&
    stat.mtimeNs === file.mtimeNs &&
    stat.ino === file.ino &&
    stat.dev === file.dev &&
    stat.size === file.size
  if (!same) return "touched"
  return file.ctimeNs < state.recordedNs ? "untouched" : "unsure"
}

type Row = readonly [string, FileMode, Oid, string, string, string, string, string]
interface Document {
  readonly version: 1
  readonly boot: string
  readonly files: readonly Row[]
}

const EMPTY: SlotState = { files: new Map(), recordedNs: 0n }

/** Nothing is known after a reboot: a power cut may have kept the record and lost the bytes. */
export const readState = (path: string): SlotState => {
  try {
    const document = JSON.parse(readFileSync(path, "utf8")) as Document
    if (document.version !== 1 || document.boot !== bootId()) return EMPTY
    const files = document.files.map(
      ([name, mode, oid, size, mtime, ctime, ino, dev]) =>
        [
          name,
          {
            mode,
            oid,
            size: BigInt(size),
            mtimeNs: BigInt(mtime),
            ctimeNs: BigInt(ctime),
            ino: BigInt(ino),
            dev: BigInt(dev),
          },
        ] as const,
    )
    return { files: new Map(files), recordedNs: statSync(path, { bigint: true }).mtimeNs }
  } catch {
    return EMPTY
  }
}

export const writeState = (path: string, files: ReadonlyMap<string, WrittenFile>): void => {
  const rows = Array.from(
    files,
    ([name, file]): Row => [
      name,
      file.mode,
      file.oid,
      `${file.size}`,
      `${file.mtimeNs}`,
      `${file.ctimeNs}`,
      `${file.ino}`,
      `${file.dev}`,
    ],
  )
  writeFileSync(`${path}.new`, JSON.stringify({ version: 1, boot: bootId(), files: rows } satisfies Document))
  renameSync(`${path}.new`, path)
}
