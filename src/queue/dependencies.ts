import type { Database } from "bun:sqlite"
import type { CastPayload } from "../domain/cast.ts"
import { isLive } from "../domain/entry.ts"
import { fail, ok, type Result } from "../domain/result.ts"
import type { Violation } from "../domain/violation.ts"
import {
  DEPENDENT_OF,
  DROP_DEPENDENTS,
  type EntryRow,
  RECOUNT_BLOCKERS,
  REPOINT_DEPENDENTS,
  WAITS_FOR_TASK,
} from "./queue.sql.ts"
import { entriesOfTask } from "./transition.ts"

/** The entries a cast waits for: per task its live or landed submission, else the newest one, which may be answered. */
export const resolveDependencies = (
  db: Database,
  cast: CastPayload,
  earlier: readonly EntryRow[],
): Result<readonly EntryRow[], Violation> => {
  const found: EntryRow[] = []
  for (const task of new Set(cast.change_request.depends_on ?? [])) {
    const rows = entriesOfTask(db, task)
    const row = rows.find(({ state }) => isLive(state) || state === "applied") ?? rows[0]
    if (task === cast.task_id || (row && earlier.length > 0 && waitsFor(db, row.id, cast.task_id)))
      return fail({
        code: "dependency_cycle",
        path: "change_request.depends_on",
        message: `task ${cast.task_id} would wait for itself through ${task}`,
        hint: `remove ${task} from depends_on, or cancel what waits for ${cast.task_id}`,
      })
    if (!row)
      return fail({
        code: "unknown_dependency",
        path: "change_request.depends_on",
        message: `depends on task ${task}, which is not in the queue`,
        hint: `enqueue ${task} first, or list it earlier in the same file`,
      })
    found.push(row)
  }
  return ok(found)
}

const waitsFor = (db: Database, id: number, task: string): boolean =>
  db.query<{ found: number }, [number, string]>(WAITS_FOR_TASK).get(id, task) !== null

/** Whoever waits for an unlanded answer to a task waits for the new one instead: the old one can never land. */
export const repointDependents = (db: Database, earlier: readonly EntryRow[], id: number): void => {
  for (const row of earlier) {
    if (row.state === "applied") continue
    db.query(REPOINT_DEPENDENTS).run(id, row.id)
    db.query(DROP_DEPENDENTS).run(row.id)
  }
  recountBlockers(db, id)
}

/** Counts the open dependencies of everybody who waits for `id` again. */
export const recountBlockers = (db: Database, id: number): void => {
  // Hardly anything has dependents, and looking takes a quarter of the time of an update of nothing.
  if (db.query<{ entry_id: number }, [number]>(DEPENDENT_OF).get(id)) db.query(RECOUNT_BLOCKERS).run(id)
}
