import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { counted } from "../domain/words.ts"
import { Database } from "../platform/Database.ts"
import { CHECKPOINT_TRUNCATE, type CheckpointResult } from "../platform/database-check.sql.ts"
import { sizeOf } from "../platform/database-check.ts"
import type { GitRepository } from "../platform/git/GitRepository.ts"
import type { Operator } from "../platform/Operator.ts"
import type { PolicyStore } from "../platform/PolicyStore.ts"
import { looseModes, tighten } from "../platform/state-files.ts"
import { CurrentWorkspace } from "../platform/Workspace.ts"
import { QueueService } from "../queue/QueueService.ts"
import { cleanupDue } from "./cleanup.ts"
import { mendRuntime } from "./doctor-runtime.ts"

/** Watchdog chunks of one fix. */
const CHUNKS = 1_000
const WORTH_A_CHECKPOINT = 16 * 1024 * 1024

/** What can be undone by nobody, lands nothing, and is done by workers in the course of things anyway. */
const mendQueue = Effect.gen(function* () {
  const queue = yield* QueueService
  const database = yield* Database
  const done: string[] = []
  let chunks = 0
  while (chunks < CHUNKS && (yield* queue.maintain())) chunks++
  if (chunks > 0) done.push("took expired leases back, and promoted or ended what was due")
  if (sizeOf(`${database.file}-wal`) > WORTH_A_CHECKPOINT) {
    const result = yield* database.read((db) => db.query<CheckpointResult, []>(CHECKPOINT_TRUNCATE).get()!)
    if (result.busy === 0) done.push(`emptied the write-ahead log (${counted(result.log, "page")})`)
  }
  return done
})

const mendModes = Effect.map(CurrentWorkspace, ({ stateDir, databaseFile }) =>
  looseModes(stateDir, databaseFile)
    .filter(tighten)
    .map(({ path }) => `closed ${path} to others`),
)

const swept = Effect.map(cleanupDue, ({ decided, failed }) =>
  decided + failed === 0 ? [] : [`swept ${counted(decided + failed, "old entry", "old entries")}`],
)

type Queue = Database | QueueService | PolicyStore

/** Mends what is safe; what refuses to be mended is among the findings afterwards. */
export const mendAll = <S extends Queue, E, R>(
  queue: Context.Context<S> | null,
  openGit: Effect.Effect<Context.Context<GitRepository>, E, R>,
  within: <A, F, Q, T>(
    effect: Effect.Effect<A, F, Q>,
    built: Context.Context<T>,
  ) => Effect.Effect<A, F, Exclude<Q, T>>,
): Effect.Effect<readonly string[], never, R | CurrentWorkspace | Operator | Scope.Scope> => {
  const quietly = <A, F, Q>(effect: Effect.Effect<readonly A[], F, Q>) =>
    Effect.catchAllCause(effect, () => Effect.succeed([] as readonly A[]))
  const files = Effect.map(Effect.all([quietly(mendModes), quietly(mendRuntime)]), (all) => all.flat())
  if (queue === null) return files
  return Effect.map(
    Effect.all([
      files,
      quietly(within(mendQueue, queue)),
      quietly(Effect.flatMap(openGit, (git) => within(within(swept, git), queue))),
    ]),
    (all) => all.flat(),
  ) as Effect.Effect<readonly string[], never, R | CurrentWorkspace | Operator | Scope.Scope>
}
