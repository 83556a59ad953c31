import { writeSync } from "node:fs"
import * as Effect from "effect/Effect"
import { Database } from "../../src/platform/Database.ts"
import { runLive } from "../support/effect.ts"

const HOUR = 3_600_000

/** A process that waits: says when it listens, and for every commit that it hears how many rows there are. */
await runLive(
  Database.layer({ file: process.argv[2]!, create: false }),
  Effect.gen(function* () {
    const database = yield* Database
    const bell = yield* database.listen
    writeSync(1, `listening ${bell.hears}\n`)
    for (;;) {
      yield* bell.wait(HOUR)
      const rows = yield* database.read((db) => db.query("SELECT count(*) AS rows FROM meta").get())
      writeSync(1, `${JSON.stringify(rows)}\n`)
    }
  }),
)
