import { Database } from "bun:sqlite"
import { join } from "node:path"

/** Reads the queue's file beside the processes that use it, with nothing left open. */
export const readQueue = <A>(root: string, body: (db: Database) => A): A => {
  const db = new Database(join(root, ".hyperion/hyperion.db"), { readonly: true })
  try {
    db.run("PRAGMA busy_timeout = 5000")
    return body(db)
  } finally {
    db.close()
  }
}

const DECIDED = new Set(["applied", "conflict", "failed", "cancelled"])

export interface Counts {
  readonly undecided: number
  readonly applied: number
  readonly states: Readonly<Record<string, number>>
}

export const countsOf = (root: string): Counts =>
  readQueue(root, (db) => {
    const rows = db
      .query<{ state: string; n: number }, []>("SELECT state, count(*) AS n FROM entry GROUP BY state")
      .all()
    const states = Object.fromEntries(rows.map(({ state, n }) => [state, n]))
    return {
      states,
      applied: states["applied"] ?? 0,
      undecided: rows.reduce((sum, { state, n }) => (DECIDED.has(state) ? sum : sum + n), 0),
    }
  })

/** How often each event stands in the log, with its reason where it gives one. */
export const eventsOf = (root: string): Readonly<Record<string, number>> =>
  readQueue(root, (db) =>
    Object.fromEntries(
      db
        .query<{ event: string; n: number }, []>(
          `SELECT event || coalesce(' ' || json_extract(data, '$.code'), '') AS event, count(*) AS n FROM audit
  GROUP BY 1 ORDER BY 1`,
        )
        .all()
        .map(({ event, n }) => [event, n]),
    ),
  )

export interface Stored {
  readonly id: number
  readonly task_id: string
  readonly state: string
  readonly commit_id: string | null
  /** Rows of the log that say it was applied. */
  readonly applied: number
}

/** Every entry with the commit of its receipt. */
export const storedEntries = (root: string): readonly Stored[] =>
  readQueue(root, (db) =>
    db
      .query<Stored, []>(
        `SELECT e.id, e.task_id, e.state, r.commit_id, coalesce(a.applied, 0) AS applied
  FROM entry e LEFT JOIN receipt r ON r.entry_id = e.id
    LEFT JOIN (SELECT entry_id, count(*) AS applied FROM audit WHERE event = 'applied' GROUP BY entry_id) a
      ON a.entry_id = e.id
  ORDER BY e.id`,
      )
      .all(),
  )
