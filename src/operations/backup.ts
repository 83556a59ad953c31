import * as Effect from "effect/Effect"
import { Database } from "../platform/Database.ts"
import { copyDatabase } from "../platform/database-copy.ts"

/** A consistent, checked copy of the queue database in a new file, while workers go on. */
export const backup = (file: string) => Effect.flatMap(Database, (database) => copyDatabase(database, file))
