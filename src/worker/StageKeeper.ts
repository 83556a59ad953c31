import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { ApplyService } from "../apply/ApplyService.ts"
import type { Displaced } from "../apply/exchange.ts"
import type { Millis } from "../domain/time.ts"
import { LandingLock } from "../platform/LandingLock.ts"
import { Operator } from "../platform/Operator.ts"
import { CurrentWorkspace } from "../platform/Workspace.ts"

/** How long a displaced file is kept for writers that still have it open. */
const KEPT_MS: Millis = 60_000

interface Stage {
  readonly dir: string
  readonly displaced: readonly Displaced[]
  readonly since: Millis
}

export interface StageKeeperShape {
  /** Where a landing of this process stages. Its name says whose it is. */
  readonly dirOf: (landingId: string) => string
  /** Remembers a landing's stage until it can go. */
  readonly keep: (dir: string, displaced: readonly Displaced[]) => Effect.Effect<void>
  /** Clears stages that are old enough; gives back files that were rescued because somebody still wrote to them. */
  readonly sweep: Effect.Effect<readonly string[]>
  /**
   * Clears stages of processes that are gone; gives back rescued files. Only under the landing lock, when no landing is
   * open: a stage without a journal row is over, or never began.
   */
  readonly sweepOrphans: Effect.Effect<readonly string[]>
}

const make = Effect.gen(function* () {
  const apply = yield* ApplyService
  const lock = yield* LandingLock
  const { processId } = yield* Operator
  const { stateDir } = yield* CurrentWorkspace
  const root = `${stateDir}/stage`
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

  const isOrphan = (name: string): boolean => {
    const owner = Number(/\.(\d+)(?:\.new)?$/.exec(name)?.[1])
    if (owner === processId) return !stages.some(({ dir }) => dir === `${root}/${name}`)
    return Number.isNaN(owner) || !lock.isAlive(owner)
  }

  return StageKeeper.of({
    dirOf: (landingId) => `${root}/${landingId}.${processId}`,
    sweepOrphans: Effect.suspend(() => {
      const orphans = apply.stagesIn(root).filter(isOrphan)
      const dirs = new Set(orphans.map((name) => `${root}/${name.replace(/\.new$/, "")}`))
      return clear([...dirs].map((dir) => ({ dir, displaced: [], since: 0 })))
    }),
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
