import type { Database as Sqlite } from "bun:sqlite"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import {
  type ExchangeMode,
  JournalFailed,
  LandingJournal,
  type LandingRecord,
} from "../apply/LandingJournal.ts"
import type { Receipt } from "../domain/receipt.ts"
import type { Millis } from "../domain/time.ts"
import { Database } from "../platform/Database.ts"
import { Failpoints } from "../platform/Failpoints.ts"
import { DROP_LANDING, PUT_LANDING } from "./journal.sql.ts"

/** All of a receipt that is known before the landing. */
export type ReceiptDraft = Omit<Receipt, "landed_at" | "audit_seq">

/** What settles an entry when the process that landed it is gone. */
export interface JournaledEntry {
  readonly id: number
  readonly worker: string
  readonly token: number
  readonly receipt: ReceiptDraft
}

/** The `record` of a journal row, as JSON. */
export interface JournalRecord {
  readonly version: 1
  readonly landing: LandingRecord
  readonly entries: readonly JournaledEntry[]
}

/** What the queue is told with each step of a landing, in the same transaction as the journal's row. */
export interface LandingTurns {
  /** Into `committing`: the point of no return. Refused as a whole when an entry it gives back is no longer ours. */
  readonly begin: (db: Sqlite, at: Millis) => readonly number[]
  readonly done: (db: Sqlite, at: Millis, exchange: ExchangeMode) => void
  readonly undone: (db: Sqlite, at: Millis) => void
  /** Asked after `begin`, in its transaction. */
  readonly entries: () => readonly JournaledEntry[]
}

export interface LandingBookShape {
  /** Runs `ApplyService.land` with the same id; when it is over, nothing of it is kept. */
  readonly during: <A, E, R>(
    landingId: string,
    turns: LandingTurns,
    landing: Effect.Effect<A, E, R>,
  ) => Effect.Effect<A, E, R>
}

class LeaseGone extends Error {}

type Step = "begin" | "done" | "undone"

const make = Effect.gen(function* () {
  const database = yield* Database
  const expected = new Map<string, { readonly turns: LandingTurns; durable: boolean }>()

  const failpoints = yield* Failpoints

  const turn = (
    landingId: string,
    of: Step,
    exchange: ExchangeMode,
    row: {
      readonly sql: string
      readonly values: (at: number, turns: LandingTurns) => (string | number)[]
    },
  ) =>
    Effect.flatMap(Clock.currentTimeMillis, (at) => {
      const landing = expected.get(landingId)
      if (!landing) return new JournalFailed({ reason: `nobody announced landing ${landingId}` })
      failpoints.pass(`journal.${of}`)
      return database
        .write(
          (db) => {
            const lost = landing.turns[of](db, at, exchange) ?? []
            // Nothing is visible yet at `begin`: one entry that is not ours any more stops them all.
            if (lost.length > 0) throw new LeaseGone(`lost the lease of entry ${lost.join(", ")}`)
            db.query(row.sql).run(...row.values(at, landing.turns))
          },
          { durable: landing.durable },
        )
        .pipe(
          Effect.mapError((error) => new JournalFailed({ reason: error.message })),
          Effect.catchAllDefect((defect) =>
            defect instanceof LeaseGone ? new JournalFailed({ reason: defect.message }) : Effect.die(defect),
          ),
        )
    })

  const closed = (landingId: string, of: "done" | "undone", exchange: ExchangeMode) =>
    turn(landingId, of, exchange, { sql: DROP_LANDING, values: () => [landingId] })

  const journal = LandingJournal.of({
    begin: (record: LandingRecord) =>
      Effect.suspend(() => {
        const landing = expected.get(record.landingId)
        if (landing) landing.durable = record.durable
        return turn(record.landingId, "begin", "none", {
          sql: PUT_LANDING,
          values: (at, turns) => {
            const entry: JournalRecord = { version: 1, landing: record, entries: turns.entries() }
            return [record.landingId, JSON.stringify(entry), at]
          },
        })
      }),
    done: (landingId, exchange) => closed(landingId, "done", exchange),
    undone: (landingId) => closed(landingId, "undone", "none"),
  })
  const book: LandingBookShape = {
    during: (landingId, turns, landing) =>
      Effect.acquireUseRelease(
        Effect.sync(() => void expected.set(landingId, { turns, durable: true })),
        () => landing,
        () => Effect.sync(() => expected.delete(landingId)),
      ),
  }
  return { journal, book }
})

/** Keeps the landing journal in the queue's database, so that a landing and its entries' states cannot disagree. */
export class LandingBook extends Context.Tag("hyperion/worker/LandingBook")<LandingBook, LandingBookShape>() {
  /** Gives the journal as well: the two are one. */
  static readonly layer: Layer.Layer<LandingBook | LandingJournal, never, Database> = Layer.effectContext(
    Effect.map(make, ({ journal, book }) =>
      Context.make(LandingBook, book).pipe(Context.add(LandingJournal, journal)),
    ),
  )
}
