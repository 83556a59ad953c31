import type { Database as Sqlite } from "bun:sqlite"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { GENESIS_HASH } from "../domain/audit.ts"
import { type AuditRow, ROWS_AFTER } from "../platform/audit.sql.ts"
import { Database, type DatabaseError } from "../platform/Database.ts"
import { GET_META } from "../platform/meta.sql.ts"
import { META } from "../platform/meta-keys.ts"
import {
  ARCHIVES,
  type ArchiveRow,
  CARRIED_AFTER,
  LEFT_AFTER,
  TOMBSTONES_AFTER,
  type Tombstone,
} from "./archive.sql.ts"
import {
  BEGIN_READ,
  DATA_OF_ROW,
  DECISIONS_AFTER,
  END_READ,
  ENTRIES_AFTER,
  type StoredDecision,
  type StoredEntry,
} from "./audit.sql.ts"
import { compareDecision, compareEntry, compareFreeze } from "./compare.ts"
import { compareArchive, Foundation } from "./foundation.ts"
import { type AuditFault, faultAt, Ledger } from "./ledger.ts"

export interface AuditReport {
  /** The newest row; those up to `archived` are in an archive. */
  readonly rows: number
  /** The cut of the newest checkpoint, behind which the chain was recomputed; 0 = from its beginning. */
  readonly archived: number
  readonly casts: number
  /** Hash of the newest row: export it, and a later check can prove that nothing was cut off. */
  readonly head: string
  readonly seq: number
  readonly fault: AuditFault | null
}

export interface AuditServiceShape {
  /**
   * Recomputes the whole chain and rebuilds the queue from it, then compares: every entry's state and identity, every
   * cast's checksum, every receipt, proof, approval and hold, and the freeze. Names the first thing that does not fit. `expectedHead` is a
   * head exported earlier: it must still be in the log, or the log was truncated or rewritten. Others may go on writing
   * meanwhile.
   */
  readonly verify: (expectedHead?: string) => Effect.Effect<AuditReport, DatabaseError>
}

/** Rows of the log per read: no read is held open between chunks. */
const ROWS = 5_000
/** Before everything: a row somebody put in front of the first must be seen. */
const FIRST = Number.MIN_SAFE_INTEGER
/** Entries per read: their payloads are in memory at the same time. */
const ENTRIES = 100

const make = Effect.gen(function* () {
  const database = yield* Database
  const archives = database.read((db) => db.query<ArchiveRow, []>(ARCHIVES).all())

  const verify: AuditServiceShape["verify"] = Effect.fn("AuditService.verify")(function* (expectedHead) {
    for (;;) {
      const before = yield* archives
      const report = yield* verifyOn(before, expectedHead)
      // Somebody archives at this moment: what is missing is on its way out.
      if (report.fault === null || Bun.deepEquals(before, yield* archives)) return report
    }
  })

  const verifyOn = Effect.fnUntraced(function* (
    checkpoints: readonly ArchiveRow[],
    expectedHead: string | undefined,
  ) {
    const ledger = new Ledger()
    const newest = checkpoints.at(-1)
    const isBeingSwept = newest?.swept === 0
    let headSeen =
      expectedHead === undefined || expectedHead === GENESIS_HASH || expectedHead === newest?.head
    let casts = 0
    const report = (fault: AuditFault | null): AuditReport => ({
      rows: ledger.seq,
      archived: newest?.cut ?? 0,
      casts,
      head: ledger.head,
      seq: ledger.seq,
      fault,
    })

    /** Takes up to one chunk of new rows. True when there may be more. */
    const takeRows = (db: Sqlite): boolean | AuditFault => {
      const rows = db.query<AuditRow, [number, number]>(ROWS_AFTER).all(ledger.seq || FIRST, ROWS)
      for (const row of rows) {
        const fault = ledger.take(row)
        if (fault) return fault
        if (row.hash === expectedHead) headSeen = true
      }
      return rows.length === ROWS
    }
    if (newest !== undefined) {
      const fault = yield* layFoundation(new Foundation(newest, ledger), isBeingSwept, (hash) => {
        if (hash === expectedHead) headSeen = true
      })
      if (fault) return report(fault)
    }
    for (let more = true; more; ) {
      const taken = yield* database.read(takeRows)
      if (typeof taken !== "boolean") return report(taken)
      more = taken
    }
    for (const checkpoint of checkpoints) {
      const fault = compareArchive(checkpoint, ledger)
      if (fault) return report(fault)
    }
    if (!headSeen)
      return report(
        faultAt(
          "head",
          { seq: ledger.seq },
          newest === undefined
            ? "the expected head is not in the log: it was truncated or rewritten"
            : `the expected head is not in the log behind row ${newest.cut}: it is in the archive ${newest.folder}, or the log was truncated or rewritten`,
        ),
      )

    /** The tables and the rows that explain them, seen at one moment. */
    const compare = <A>(body: (db: Sqlite) => A): Effect.Effect<A | AuditFault, DatabaseError> =>
      database.read((db) => {
        db.run(BEGIN_READ)
        try {
          for (let more = true; more; ) {
            const taken = takeRows(db)
            if (typeof taken !== "boolean") return taken
            more = taken
          }
          return body(db)
        } finally {
          db.run(END_READ)
        }
      })

    for (let last = 0, more = true; more; ) {
      const fault = yield* compare((db) => {
        const rows = db.query<StoredEntry, [number, number]>(ENTRIES_AFTER).all(last, ENTRIES)
        const data = db.query<{ data: string }, [number]>(DATA_OF_ROW)
        more = rows.length === ENTRIES
        for (const row of rows) {
          const lost = firstBetween(ledger, last, row.id)
          if (lost !== null) return gone(lost)
          last = row.id
          const wrong = compareEntry(row, ledger.entries[row.id], (seq) => data.get(seq)?.data, isBeingSwept)
          if (wrong) return wrong
          if (row.body !== null) casts++
        }
        const lost = more ? null : firstBetween(ledger, last, ledger.entries.length)
        return lost === null ? null : gone(lost)
      })
      if (fault) return report(fault)
    }

    for (let last = 0, more = true; more; ) {
      const fault = yield* compare((db) => {
        const rows = db.query<StoredDecision, [number, number]>(DECISIONS_AFTER).all(last, ROWS)
        more = rows.length === ROWS
        for (const row of rows) {
          last = row.id
          if (isBeingSwept && row.entry_id !== null && ledger.entries[row.entry_id]?.isArchived) continue
          const wrong = compareDecision(row, ledger.decisions.get(row.id))
          if (wrong) return wrong
          ledger.decisions.delete(row.id)
        }
        const [lost] = more ? [] : ledger.decisions.keys()
        return lost === undefined
          ? null
          : faultAt("approval", {}, `approval ${lost} is in the log, but was taken out of the queue`)
      })
      if (fault) return report(fault)
    }
    return report(
      yield* compare((db) =>
        compareFreeze(db.query<{ value: string }, [string]>(GET_META).get(META.freeze)?.value, ledger.freeze),
      ),
    )
  })

  /** The archived entries, then the rows that stayed. */
  const layFoundation = Effect.fnUntraced(function* (
    foundation: Foundation,
    isBeingSwept: boolean,
    seen: (hash: string) => void,
  ) {
    const { cut } = foundation.archive
    for (let after = 0, more = true; more; ) {
      const rows = yield* database.read((db) =>
        db.query<Tombstone, [number, number]>(TOMBSTONES_AFTER).all(after, ROWS),
      )
      for (const row of rows) foundation.tombstone(row)
      after = rows.at(-1)?.id ?? after
      more = rows.length === ROWS
    }
    const statement = isBeingSwept ? CARRIED_AFTER : LEFT_AFTER
    for (let after = FIRST, more = true; more; ) {
      const rows = yield* database.read((db) =>
        db.query<AuditRow, [number, number, number]>(statement).all(after, cut, ROWS),
      )
      for (const row of rows) {
        const fault = foundation.carry(row)
        if (fault) return fault
        seen(row.hash)
      }
      after = rows.at(-1)?.seq ?? after
      more = rows.length === ROWS
    }
    return foundation.seal()
  })

  return { verify } satisfies AuditServiceShape
})

/** The first entry the log knows with an id between the two, both excluded. */
const firstBetween = (ledger: Ledger, after: number, before: number): number | null => {
  for (let id = after + 1; id < before; id++) if (ledger.entries[id]) return id
  return null
}

const gone = (id: number): AuditFault =>
  faultAt("entry", { entryId: id }, `entry ${id} is in the log, but was taken out of the queue`)

/** Reads the tamper-evident log back. Writing it happens inside the transactions it describes. */
export class AuditService extends Context.Tag("hyperion/audit/AuditService")<
  AuditService,
  AuditServiceShape
>() {
  static readonly layer = Layer.effect(AuditService, make)
}
