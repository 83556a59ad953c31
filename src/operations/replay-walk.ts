import * as Effect from "effect/Effect"
import { CHECKPOINT_OF_ROW, type CheckpointRow } from "../audit/blob.sql.ts"
import type { CastPayload } from "../domain/cast.ts"
import type { Receipt } from "../domain/receipt.ts"
import { Database } from "../platform/Database.ts"
import { payloadOf } from "../queue/lease.ts"
import { TREE_STEPS } from "./replay.sql.ts"
import { replayCheckpoint, replayLanding, type TreeReplay } from "./replay-tree.ts"

const STEPS = 500

/**
 * Rebuilds every landed tree of the log in order and hands each landing to `each`; gives how many there were. Every
 * object that makes them has been written when it ends.
 */
export const walkLandings = Effect.fn("operations.walkLandings")(function* (
  replay: TreeReplay,
  each: (receipt: Receipt, cast: CastPayload | null) => void,
) {
  const database = yield* Database
  let landings = 0
  for (let after = 0; ; ) {
    const steps = yield* database.read((db) =>
      db
        .query<{ seq: number; event: string; entry_id: number | null }, [number, number]>(TREE_STEPS)
        .all(after, STEPS),
    )
    if (steps.length === 0) break
    for (const { seq, event, entry_id } of steps) {
      if (event === "base_adopted") {
        const checkpoint = yield* database.read((db) =>
          db.query<CheckpointRow, [number]>(CHECKPOINT_OF_ROW).get(seq),
        )
        if (checkpoint !== null) yield* replayCheckpoint(replay, checkpoint)
        continue
      }
      const receipt = yield* replayLanding(replay, seq, entry_id!)
      each(receipt, yield* database.read((db) => payloadOf(db, entry_id!)))
      landings += 1
      yield* replay.flush(false)
    }
    after = steps.at(-1)!.seq
  }
  yield* replay.flush(true)
  return landings
})
