import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { ApplyService } from "../apply/ApplyService.ts"
import type { Displaced } from "../apply/exchange.ts"
import type { Millis } from "../domain/time.ts"
import { CurrentWorkspace } from "../platform/Workspace.ts"

/** How long a displaced file is kept for writers that still have it open. */
const KEPT_MS: Millis = 60_000

interface Stage {
  readonly dir: string
  readonly displaced: readonly Displaced[]
  readonly since: Millis
}

export interface StageKeeperShape {
  /** Remembers a landing's stage until it can go. */
  readonly keep: (dir: string, displaced: readonly Displaced[]) => Effect.Effect<void>
  /** Clears stages that are old enough; gives back files that were rescued because somebody still wrote to them. */
  readonly sweep: Effect.Effect<readonly string[]>
}

const make = Effect.gen(function* () {
  const apply = yield* ApplyService
  const { stateDir } = yield* CurrentWorkspace
  let stages: Stage[] = []

  const clear = (old: readonly Stage[]) =>
    Effect.map(
      Effect.forEach(old, ({ dir, displaced }) =>
        // A stage that cannot be removed now is an orphan that the next start collects.
        Effect.orElseSucceed(apply.collect(dir, displaced, `${stateDir}/rescued`), () => []),
      ),
      (rescued) => rescued.flat(),
    )

  // At the end there is no "a while later": what is written to now is rescued, the rest goes.
  yield* Effect.addFinalizer(() => clear(stages))
  return StageKeeper.of({
    keep: (dir, displaced) =>
      Effect.map(Clock.currentTimeMillis, (since) => void stages.push({ dir, displaced, since })),
    sweep: Effect.flatMap(Clock.currentTimeMillis, (now) => {
      const old = stages.filter((stage) => stage.since + KEPT_MS <= now)
      stages = stages.filter((stage) => !old.includes(stage))
      return clear(old)
    }),
  })
})

/** Old files of landings, kept for a moment and then cleared. */
export class StageKeeper extends Context.Tag("hyperion/worker/StageKeeper")<StageKeeper, StageKeeperShape>() {
  static readonly layer = Layer.scoped(StageKeeper, make)
}
