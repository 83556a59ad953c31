import * as Effect from "effect/Effect"
import { HumanPresence } from "../../src/platform/HumanPresence.ts"
import { runLive } from "../support/effect.ts"

/** Asks once and prints what it saw and what was answered, as one line of JSON. */
await runLive(
  HumanPresence.layer(process.env),
  Effect.gen(function* () {
    const presence = yield* HumanPresence
    const report = yield* presence.look()
    const answer = report.terminal ? yield* presence.ask(`evil \u001b[2J path? `) : null
    yield* Effect.sync(() => process.stdout.write(`${JSON.stringify({ report, answer })}\n`))
  }),
)
process.exit(0)
