import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { chainHash, GENESIS_HASH } from "../domain/audit.ts"
import { type CastPayload, castChecksum } from "../domain/cast.ts"
import { decodeCounts, encodeCounts, NO_COUNTS, type StateCounts } from "../domain/entry.ts"
import { Database, type DatabaseError } from "../platform/Database.ts"
import { type AuditLogRow, CASTS_AFTER, ROWS_AFTER, STATES_NOW } from "./audit.sql.ts"

/** The first thing that does not fit, by row of the log (`seq`) or by entry. */
export interface AuditFault {
  readonly code: "gap" | "hash" | "counts" | "cast" | "head" | "states"
  readonly seq: number | null
  readonly entryId: number | null
  readonly message: string
}

export interface AuditReport {
  readonly rows: number
  readonly casts: number
  /** Hash of the newest row: export it, and a later check can prove that nothing was cut off. */
  readonly head: string
  readonly seq: number
  readonly fault: AuditFault | null
}

export interface AuditServiceShape {
  /**
   * Recomputes the whole chain, every cast's checksum and the cumulative counts. `expectedHead` is a head exported
   * earlier: it must still be in the log, or the log was truncated or rewritten.
   */
  readonly verify: (expectedHead?: string) => Effect.Effect<AuditReport, DatabaseError>
}

/** Rows per read: bounds memory; no read is held open between chunks. */
const CHUNK = 5_000

const make = Effect.gen(function* () {
  const database = yield* Database

  const verify: AuditServiceShape["verify"] = Effect.fn("AuditService.verify")(function* (expectedHead) {
    let head = GENESIS_HASH
    let counts: StateCounts = NO_COUNTS
    let seq = 0
    let headSeen = expectedHead === undefined || expectedHead === GENESIS_HASH
    const fault = (
      code: AuditFault["code"],
      at: { seq?: number; entryId?: number },
      message: string,
    ): AuditReport => ({
      rows: seq,
      casts: 0,
      head,
      seq,
      fault: { code, seq: at.seq ?? null, entryId: at.entryId ?? null, message },
    })
    for (;;) {
      const rows = yield* database.read((db) =>
        db.query<AuditLogRow, [number, number]>(ROWS_AFTER).all(seq, CHUNK),
      )
      for (const row of rows) {
        if (row.seq !== seq + 1) return fault("gap", { seq: row.seq }, `row ${seq + 1} is missing`)
        const expected = chainHash(head, {
          seq: row.seq,
          at: row.at,
          event: row.event,
          entryId: row.entry_id,
          entryPrevious: row.entry_previous,
          subject: row.subject,
          actor: row.actor,
          data: row.data,
          counts: decodeCounts(row.counts),
        })
        if (expected !== row.hash || encodeCounts(decodeCounts(row.counts)) !== row.counts)
          return fault(
            "hash",
            { seq: row.seq },
            `row ${row.seq} (${row.event}) was changed after it was written`,
          )
        head = row.hash
        counts = decodeCounts(row.counts)
        seq = row.seq
        if (head === expectedHead) headSeen = true
      }
      if (rows.length < CHUNK) break
    }
    if (!headSeen)
      return fault("head", { seq }, "the expected head is not in the log: it was truncated or rewritten")

    let casts = 0
    for (let last = 0; ; ) {
      const rows = yield* database.read((db) =>
        db
          .query<{ id: number; cast_id: string; checksum: string; body: string | null }, [number, number]>(
            CASTS_AFTER,
          )
          .all(last, CHUNK),
      )
      for (const row of rows) {
        last = row.id
        // A payload that cleanup swept is not a fault; its checksum stays in the log.
        if (row.body === null) continue
        if (checksumOf(row.body) !== row.checksum)
          return {
            ...fault(
              "cast",
              { entryId: row.id },
              `the payload of entry ${row.id} does not match its checksum`,
            ),
            casts,
          }
        casts++
      }
      if (rows.length < CHUNK) break
    }

    const actual = yield* database.read((db) => db.query<{ state: string; n: number }, []>(STATES_NOW).all())
    const wrong = Object.entries(counts).find(
      ([state, n]) => (actual.find((row) => row.state === state)?.n ?? 0) !== n,
    )
    if (wrong)
      return {
        ...fault(
          "states",
          { seq },
          `the log counts ${wrong[1]} entries ${wrong[0]}; the queue holds another number`,
        ),
        casts,
      }
    return { rows: seq, casts, head, seq, fault: null }
  })

  return { verify } satisfies AuditServiceShape
})

const checksumOf = (body: string): string | null => {
  try {
    return castChecksum(JSON.parse(body) as CastPayload)
  } catch {
    return null
  }
}

/** Reads the tamper-evident log back. Writing it happens inside the transactions it describes. */
export class AuditService extends Context.Tag("hyperion/audit/AuditService")<
  AuditService,
  AuditServiceShape
>() {
  static readonly layer = Layer.effect(AuditService, make)
}
