import * as Effect from "effect/Effect"
import { type ArchiveRow, ENTRY_ROW, ROWS_OF_ENTRY } from "../audit/archive.sql.ts"
import type { ArchiveFile, ArchivePlan } from "../audit/archiving.ts"
import { BLOBS_BETWEEN, CAST_BODY, EFFECTS_OF, RECEIPT_BODY } from "../audit/blob.sql.ts"
import { isSegmentName, type LogRecord } from "../audit/segment.ts"
import { sha256Hex } from "../domain/hash.ts"
import { toTimestamp } from "../domain/time.ts"
import { fileDigest, isFile, removeFile } from "../platform/archive-file.ts"
import { Database } from "../platform/Database.ts"
import { visibleJson } from "../platform/sanitize.ts"
import { namesIn, newLineFile, openLineReader } from "../platform/segment-files.ts"
import { ArchiveRefused } from "./archive-errors.ts"
import { readLogFiles } from "./audit-files.ts"

const ABOUT =
  "An archive of a Hyperion queue. The segments beside this file hold its log with casts, receipts and contents: " +
  "hyperion audit verify --file FOLDER checks them, hyperion replay --from FOLDER --to EMPTY rebuilds queue and tree. " +
  "The lines below hold what the log does not say of the archived entries."

interface SegmentDigest {
  readonly name: string
  readonly sha256: string
  readonly bytes: number
}

const PAGE = 500

/**
 * Reads the segments of the folder from the disk to their end: that everything which is about to be taken out of the
 * database is there, as it is in the database. Gives the number of the newest content that is.
 */
export const checkShipped = Effect.fn("operations.checkShipped")(function* (
  folder: string,
  plan: ArchivePlan,
) {
  const names = (yield* namesIn(folder)).filter(isSegmentName)
  const wanted = new Set(plan.ids)
  const kept = { casts: new Set<number>(), receipts: new Set<number>(), effects: new Map<number, string>() }
  const blobs = new Set<string>()
  let cutHash: string | null = null
  const note = (record: LogRecord): void => {
    if (record.kind === "row" && record.row.seq === plan.cut) cutHash = record.row.hash
    if (record.kind === "blob") blobs.add(record.blob.hash)
    if (record.kind === "cast" && wanted.has(record.entry)) kept.casts.add(record.entry)
    if (record.kind === "receipt" && wanted.has(record.entry)) kept.receipts.add(record.entry)
    if (record.kind === "effects" && wanted.has(record.entry))
      kept.effects.set(record.entry, sha256Hex(JSON.stringify(record.effects)))
  }
  const { reader, fault } = yield* readLogFiles(
    names.map((name) => `${folder}/${name}`),
    (records) =>
      Effect.sync(() => {
        for (const record of records) note(record)
        return true
      }),
  )
  const incomplete = (detail: string) =>
    new ArchiveRefused({
      reason: "incomplete",
      detail: `the segments in ${folder} are not complete: ${detail}`,
      hint: "name an empty folder",
    })
  if (fault !== null) return yield* incomplete(fault.message)
  if (cutHash !== plan.head) return yield* incomplete(`they do not hold row ${plan.cut} of this log`)
  const database = yield* Database
  for (let from = 0; from < plan.ids.length; from += PAGE) {
    const missing = yield* database.read((db) => {
      const has = (statement: string, id: number) => db.query(statement).get(id) !== null
      for (const id of plan.ids.slice(from, from + PAGE)) {
        if (has(CAST_BODY, id) && !kept.casts.has(id)) return `the cast of entry ${id} is missing`
        if (has(RECEIPT_BODY, id) && !kept.receipts.has(id)) return `the receipt of entry ${id} is missing`
        const effects = db.query(EFFECTS_OF).all(id)
        if (effects.length > 0 && kept.effects.get(id) !== sha256Hex(JSON.stringify(effects)))
          return `what entry ${id} changed is missing, or another`
      }
      return null
    })
    if (missing !== null) return yield* incomplete(missing)
  }
  const newest = reader.head?.blobs ?? 0
  for (let after = 0, more = true; more; ) {
    const rows = yield* database.read((db) =>
      db
        .query<{ number: number; hash: string }, [number, number, number]>(BLOBS_BETWEEN)
        .all(after, newest, PAGE),
    )
    const lost = rows.find(({ hash }) => !blobs.has(hash))
    if (lost) return yield* incomplete(`the content ${lost.hash} is missing`)
    after = rows.at(-1)?.number ?? after
    more = rows.length === PAGE
  }
  const segments = yield* Effect.forEach(names, (name) =>
    Effect.map(fileDigest(`${folder}/${name}`), (digest): SegmentDigest => ({ name, ...digest })),
  )
  return { blobs: newest, segments }
})

const nameOf = (cut: number): string => `archive-${String(cut).padStart(12, "0")}.jsonl`

interface Heading {
  readonly kind: "archive"
  readonly version: 1
  readonly cut: number
  readonly head: string
  readonly segments: readonly SegmentDigest[]
}

const parseHeading = (line: string | null): Heading | null => {
  try {
    const heading: Heading = JSON.parse(line ?? "")
    return heading?.kind === "archive" && Array.isArray(heading.segments) ? heading : null
  } catch {
    return null
  }
}

const headingOf = (path: string) =>
  Effect.scoped(
    Effect.flatMap(openLineReader(path), ({ next }) => Effect.map(next, (line) => parseHeading(line))),
  )

/** Writes the archive's own file beside its segments, flushed, and reads it again. */
export const writeArchiveFile = Effect.fn("operations.writeArchiveFile")(function* (
  folder: string,
  plan: ArchivePlan,
  shipped: { readonly blobs: number; readonly segments: readonly SegmentDigest[] },
  by: { readonly actor: string; readonly at: number },
) {
  const file = nameOf(plan.cut)
  const path = `${folder}/${file}`
  if (isFile(path)) {
    // Written by an attempt that ended before the queue knew of it: it is written anew.
    const heading = yield* headingOf(path)
    if (heading?.cut === plan.cut && heading.head === plan.head) yield* removeFile(path)
  }
  const { ids, ground: _, ...checkpoint } = plan
  const sha256 = yield* Effect.scoped(
    Effect.gen(function* () {
      const database = yield* Database
      const lines = yield* newLineFile(path)
      const heading = {
        kind: "archive",
        version: 1,
        about: ABOUT,
        ...checkpoint,
        made_at: toTimestamp(by.at),
        actor: by.actor,
        entries: ids.length,
        segments: shipped.segments,
      }
      lines.line(visibleJson(heading))
      for (let from = 0; from < ids.length; from += PAGE) {
        const page = ids.slice(from, from + PAGE)
        const rows = yield* database.read((db) =>
          page.map((id) => ({
            kind: "entry",
            entry: db.query(ENTRY_ROW).get(id),
            ...Object.fromEntries(
              Object.entries(ROWS_OF_ENTRY).map(([name, statement]) => [name, db.query(statement).all(id)]),
            ),
          })),
        )
        for (const row of rows) lines.line(visibleJson(row))
      }
      lines.line(visibleJson({ kind: "end", entries: ids.length, sha256: lines.sha256() }))
      yield* lines.finish
      return lines.sha256()
    }),
  )
  const read = yield* fileDigest(path)
  if (read.sha256 !== sha256)
    return yield* new ArchiveRefused({
      reason: "damaged",
      detail: `${path} does not read as it was written`,
      hint: "check that disk, and name a folder on another one",
    })
  return { folder, file, sha256, blobs: shipped.blobs } satisfies ArchiveFile
})

/**
 * The first thing about an archive that is not as it was made, looked for in the folder where it was made, or in
 * `elsewhere`; null when it is whole. `segments`: reads those as well.
 */
export const archiveProblem = Effect.fn("operations.archiveProblem")(function* (
  archive: ArchiveRow,
  options: { readonly segments: boolean; readonly elsewhere?: string },
) {
  const folders = [archive.folder, ...(options.elsewhere === undefined ? [] : [options.elsewhere])]
  const folder = folders.find((one) => isFile(`${one}/${archive.file}`))
  if (folder === undefined) return `${archive.folder}/${archive.file} is not there`
  const path = `${folder}/${archive.file}`
  if ((yield* fileDigest(path)).sha256 !== archive.sha256) return `${path} was changed after it was written`
  const heading = yield* headingOf(path)
  if (heading === null) return `${path} cannot be read`
  for (const { name, sha256 } of heading.segments) {
    if (!isFile(`${folder}/${name}`)) return `${folder}/${name} is not there`
    if (options.segments && (yield* fileDigest(`${folder}/${name}`)).sha256 !== sha256)
      return `${folder}/${name} was changed after it was written`
  }
  return null
})
