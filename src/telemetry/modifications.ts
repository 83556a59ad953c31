import type { Database } from "bun:sqlite"
import type { FileModification } from "../domain/records.ts"
import type { Millis } from "../domain/time.ts"
import {
  DROP_MODIFICATIONS,
  EFFECTS_OF_ENTRY,
  type EffectHashes,
  LANDING_SINCE,
  MODIFICATIONS,
  type ModificationRow,
  OLD_MODIFICATIONS,
  PUT_MODIFICATION,
} from "./modifications.sql.ts"

export interface Modification {
  readonly path: string
  readonly event: "added" | "modified" | "deleted"
  readonly source: "landing" | "foreign"
  readonly stamp: string
  readonly details: Readonly<Record<string, unknown>>
}

/** Rows that are kept; the oldest go first. */
const KEPT = 10_000
const CHUNK = 100

export const putModifications = (db: Database, modifications: readonly Modification[], at: Millis): void => {
  const put = db.query(PUT_MODIFICATION)
  for (const { path, event, source, stamp, details } of modifications)
    put.run(path, event, source, stamp, JSON.stringify(details), at)
}

/** The newest ones since a moment, oldest first. */
export const modificationsSince = (db: Database, since: Millis, limit: number): readonly FileModification[] =>
  db
    .query<ModificationRow, [number, number]>(MODIFICATIONS)
    .all(since, limit)
    .reverse()
    .map((row) => ({
      ...row,
      details: JSON.parse(row.details),
      // Epoch seconds, as in the original's record.
      created_at: Math.floor(row.created_at / 1_000),
    }))

/** Whether any was made before a moment, or is beyond what is kept. */
export const hasOldModifications = (db: Database, before: Millis): boolean =>
  db.query(OLD_MODIFICATIONS).get(before, KEPT, 1) !== null

/** Drops one chunk of those; true when there may be more. */
export const dropModifications = (db: Database, before: Millis): boolean =>
  db.query(DROP_MODIFICATIONS).run(before, KEPT, CHUNK).changes === CHUNK

/** What landings that were begun behind a row of the log write to each path, and which entry does. */
export const landingWrites = (
  db: Database,
  afterSeq: number,
): ReadonlyMap<string, readonly (EffectHashes & { readonly entry: number })[]> => {
  const writes = new Map<string, (EffectHashes & { readonly entry: number })[]>()
  const effects = db.query<EffectHashes, [number]>(EFFECTS_OF_ENTRY)
  for (const { id } of db.query<{ id: number }, [number]>(LANDING_SINCE).all(afterSeq))
    for (const effect of effects.all(id)) {
      const known = writes.get(effect.path)
      if (known) known.push({ ...effect, entry: id })
      else writes.set(effect.path, [{ ...effect, entry: id }])
    }
  return writes
}
