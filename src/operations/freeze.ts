import * as Effect from "effect/Effect"
import { HumanPresence } from "../platform/HumanPresence.ts"
import { Operator } from "../platform/Operator.ts"
import { freezeQueue, freezeText, thawQueue } from "../queue/freeze.ts"
import { QueueService } from "../queue/QueueService.ts"
import { WrongState } from "./errors.ts"
import { refuseAgent } from "./presence.ts"

/** Stops landings: what is begun is finished, nothing new begins, entries are still proven. */
export const freeze = Effect.fn("operations.freeze")(function* (reason: string) {
  const queue = yield* QueueService
  const { name: actor } = yield* Operator
  const standing = yield* queue.transact((db, at) => freezeQueue(db, { actor, reason }, at))
  if (standing !== null)
    return yield* new WrongState({
      what: "the queue",
      state: `frozen already: ${freezeText(standing)}`,
      advice: "hyperion thaw, then freeze it again with your reason",
    })
  return { by: actor, reason }
})

/** Lets landings begin again. A person's word: refused inside an agent. */
export const thaw = Effect.fn("operations.thaw")(function* () {
  yield* refuseAgent(yield* (yield* HumanPresence).look())
  const queue = yield* QueueService
  const { name: actor } = yield* Operator
  const ended = yield* queue.transact((db, at) => thawQueue(db, actor, at))
  if (ended === null)
    return yield* new WrongState({ what: "the queue", state: "not frozen", advice: "hyperion status" })
  return ended
})
