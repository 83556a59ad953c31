import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as v from "valibot"
import { GuardOutput } from "../domain/guard.ts"
import { Database } from "../platform/Database.ts"
import { GuardMemory } from "./GuardMemory.ts"
import { GET_GUARD_OUTPUT, PUT_GUARD_OUTPUT } from "./guard-memory.sql.ts"

/** Guard results kept in the workspace's database. A row that cannot be read counts as not there: the guard runs again. */
export const storedGuardMemory = Layer.effect(
  GuardMemory,
  Effect.map(Database, (database) => ({
    get: (key: string) =>
      database
        .read((db) => db.query<{ output: string }, [string]>(GET_GUARD_OUTPUT).get(key)?.output)
        .pipe(
          Effect.map((output) => (output === undefined ? Option.none() : decode(output))),
          Effect.orElseSucceed(() => Option.none()),
        ),
    put: (key: string, output: GuardOutput) =>
      Effect.flatMap(Clock.currentTimeMillis, (at) =>
        Effect.ignore(
          database.write((db) => db.query(PUT_GUARD_OUTPUT).run(key, JSON.stringify(output), at)),
        ),
      ),
  })),
)

const decode = (text: string): Option.Option<GuardOutput> => {
  try {
    const parsed = v.safeParse(GuardOutput, JSON.parse(text))
    return parsed.success ? Option.some(parsed.output) : Option.none()
  } catch {
    return Option.none()
  }
}
