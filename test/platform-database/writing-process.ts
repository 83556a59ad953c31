import type { Database as Sqlite } from "bun:sqlite"
import { writeSync } from "node:fs"
import * as Effect from "effect/Effect"
import { Database } from "../../src/platform/Database.ts"
import { runLive } from "../support/effect.ts"

const [file, mode, count] = process.argv.slice(2)

/** `count`: writes so many rows and ends. `hold`: begins to write, says so, and never ends. */
await runLive(
  Database.layer({ file: file!, create: false }),
  Effect.gen(function* () {
    const database = yield* Database
    if (mode === "hold")
      return yield* database.write(() => {
        writeSync(1, "writing\n")
        for (;;) Bun.sleepSync(1_000)
      })
    for (let n = 0; n < Number(count); n++)
      yield* database.write((db: Sqlite) => db.run("UPDATE meta SET value = value + 1 WHERE key = 'count'"))
  }),
)
