import * as Effect from "effect/Effect"
import { freezeOf, freezeText } from "../queue/freeze.ts"
import { QueueService } from "../queue/QueueService.ts"
import type { Base } from "./base.ts"

export interface Stay {
  readonly code: "preview" | "frozen"
  readonly text: string
}

/** Why nothing lands just now, however well it is proven; null when it may. */
export const staysProven = Effect.fn("worker.staysProven")(function* (base: Base) {
  if (base.policy.policy.landing.mode === "preview")
    return { code: "preview", text: "landing.mode is preview" } satisfies Stay
  const freeze = yield* Effect.flatMap(QueueService, (queue) => queue.read(freezeOf))
  return freeze && ({ code: "frozen", text: freezeText(freeze) } satisfies Stay)
})
