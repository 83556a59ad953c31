import type { Database as Sqlite } from "bun:sqlite"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { JournalFailed, LandingJournal, type LandingRecord } from "../apply/LandingJournal.ts"
import type { Millis } from "../domain/time.ts"
import { Database } from "../platform/Database.ts"
import { DROP_LANDING, PUT_LANDING } from "./journal.sql.ts"

/** What the queue is told with each step of a landing, in the same transaction as the journal's row. */
export interface LandingTurns {
  /** Into `committing`: the point of no return. Refused as a whole when an entry it gives back is no longer ours. */
  readonly begin: (db: Sqlite, at: Millis) => readonly number[]
  readonly done: (db: Sqlite, at: Millis) => void
  readonly undone: (db: Sqlite, at: Millis) => void
}

export interface LandingBookShape {
  /** To be called before `ApplyService.land` with the same id. */
  readonly expect: (landingId: string, turns: LandingTurns) => Effect.Effect<void>
}

class LeaseGone extends Error {}

const make = Effect.gen(function* () {
  const database = yield* Database
  const expected = new Map<string, { readonly turns: LandingTurns; durable: boolean }>()

  const turn = (
    landingId: string,
    of: keyof LandingTurns,
    row: { readonly sql: string; readonly values: (at: number) => (string | number)[] },
  ) =>
    Effect.flatMap(Clock.currentTimeMillis, (at) => {
      const landing = expected.get(landingId)
      if (!landing) return new JournalFailed({ reason: `nobody announced landing ${landingId}` })
      return database
        .write(
          (db) => {
            const lost = landing.turns[of](db, at) ?? []
            // Nothing is visible yet at `begin`: one entry that is not ours any more stops them all.
            if (lost.length > 0) throw new LeaseGone(`lost the lease of entry ${lost.join(", ")}`)
            db.query(row.sql).run(...row.values(at))
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

  const closed = (landingId: string, of: "done" | "undone") =>
    Effect.tap(turn(landingId, of, { sql: DROP_LANDING, values: () => [landingId] }), () =>
      Effect.sync(() => expected.delete(landingId)),
    )

  const journal = LandingJournal.of({
    begin: (record: LandingRecord) =>
      Effect.suspend(() => {
        const landing = expected.get(record.landingId)
        if (landing) landing.durable = record.durable
        return turn(record.landingId, "begin", {
          sql: PUT_LANDING,
          values: (at) => [record.landingId, JSON.stringify(record), at],
        })
      }),
    done: (landingId) => closed(landingId, "done"),
    undone: (landingId) => closed(landingId, "undone"),
  })
  const book: LandingBookShape = {
    expect: (landingId, turns) => Effect.sync(() => void expected.set(landingId, { turns, durable: true })),
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
