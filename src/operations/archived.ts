import type { Database as Sqlite } from "bun:sqlite"
import * as Effect from "effect/Effect"
import { ARCHIVE_OF_ENTRY, type ArchiveRow } from "../audit/archive.sql.ts"
import { QueueService } from "../queue/QueueService.ts"
import type { EntryRow } from "../queue/queue.sql.ts"
import { WrongState } from "./errors.ts"

/** Where an archived entry is; null for one that is all here. */
export interface ArchivePlace {
  readonly folder: string
  readonly file: string
}

export const archiveOf = (db: Sqlite, row: EntryRow): ArchivePlace | null => {
  if (row.archived === null) return null
  const found = db.query<ArchiveRow, [number]>(ARCHIVE_OF_ENTRY).get(row.id)
  return found && { folder: found.folder, file: found.file }
}

/** The command that makes an archived entry whole again, elsewhere. */
export const readArchive = ({ folder }: ArchivePlace): string =>
  `hyperion replay --from ${folder} --to EMPTY   (then ask in EMPTY)`

/** Fails for an archived entry, with where it is. */
export const refuseArchived = Effect.fn("operations.refuseArchived")(function* (row: EntryRow) {
  const queue = yield* QueueService
  const place = yield* queue.read((db) => archiveOf(db, row))
  if (place === null) return
  return yield* new WrongState({
    what: `entry ${row.id} (${row.state})`,
    state: `in the archive ${place.folder}/${place.file}`,
    advice: readArchive(place),
  })
})
