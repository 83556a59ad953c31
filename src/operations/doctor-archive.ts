import * as Effect from "effect/Effect"
import { ARCHIVES, type ArchiveRow } from "../audit/archive.sql.ts"
import { Database } from "../platform/Database.ts"
import { archiveProblem } from "./archive-file.ts"
import { type Diagnosis, healthy } from "./doctor-finding.ts"

const unfinished = ({ cut, folder }: ArchiveRow): Diagnosis => ({
  id: "archive_unfinished",
  severity: "warn",
  message: `the archive up to row ${cut} was begun, and what it holds is not all taken out here yet`,
  meaning: "nothing is lost; the database is larger than it has to be",
  mend: `hyperion archive ${folder}`,
})

const missing = ({ cut, folder }: ArchiveRow, problem: string): Diagnosis => ({
  id: "archive_missing",
  severity: "warn",
  message: `the archive up to row ${cut}: ${problem}`,
  meaning: "what was archived can be shown, verified and replayed only from there",
  mend: `mount or restore ${folder}; moved: hyperion audit verify --file FOLDER checks it where it is`,
})

/** Archives are where they were made, and what they were; `full` reads them to the end. */
export const archiveChecks = Effect.fn("operations.archiveChecks")(function* (full: boolean) {
  const database = yield* Database
  // An older schema knows no archive.
  if (database.outdated !== null) return []
  const archives = yield* database.read((db) => db.query<ArchiveRow, []>(ARCHIVES).all())
  const newest = archives.at(-1)
  if (newest === undefined) return []
  const found: Diagnosis[] = []
  for (const archive of archives) {
    const problem = yield* Effect.catchAll(archiveProblem(archive, { segments: full }), ({ message }) =>
      Effect.succeed(message),
    )
    if (problem !== null) found.push(missing(archive, problem))
  }
  if (newest.swept === 0) found.push(unfinished(newest))
  if (found.length > 0) return found
  return [
    healthy(
      "archive",
      `the log up to row ${newest.cut} is in ${newest.folder}${full ? ", read to the end" : ""}`,
      `${newest.entries} entries are known here and kept there`,
    ),
  ]
})
