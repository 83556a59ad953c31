import * as Effect from "effect/Effect"
import { Database } from "../../src/platform/Database.ts"
import { runLive } from "../support/effect.ts"

/** A worker's process: says that it is there, and stays until it is killed. */
await runLive(
  Database.layer({ file: process.argv[2]!, create: false }),
  Effect.gen(function* () {
    const database = yield* Database
    yield* database.enter
    process.stdout.write("entered\n")
    return yield* Effect.never
  }),
)
