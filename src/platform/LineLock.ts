import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { Millis } from "../domain/time.ts"
import { fileLock } from "./file-lock.ts"
import { CurrentWorkspace } from "./Workspace.ts"

export interface LineLockShape {
  /**
   * True when this process may prove and land what stands in the line; false while another one does. Advice: whoever is
   * refused for `patience` ms goes ahead, because the other may have been stopped, and so does everybody where the lock
   * cannot be used.
   */
  readonly take: (patience: Millis) => Effect.Effect<boolean>
  readonly release: Effect.Effect<void>
}

const make = Effect.gen(function* () {
  const { stateDir } = yield* CurrentWorkspace
  const lock = fileLock(`${stateDir}/line.lock`)
  yield* Effect.addFinalizer(() => Effect.sync(lock.close))
  let isHeld = false
  let refusedSince: Millis | null = null
  const tryTake = (): boolean | null => {
    try {
      return lock.tryTake()
    } catch {
      return null
    }
  }
  return LineLock.of({
    take: (patience) =>
      Effect.map(Clock.currentTimeMillis, (now) => {
        if (isHeld) return true
        const taken = tryTake()
        isHeld = taken === true
        if (taken !== false) refusedSince = null
        else refusedSince ??= now
        return taken !== false || now - (refusedSince ?? now) >= patience
      }),
    release: Effect.sync(() => {
      if (isHeld) lock.release()
      isHeld = false
    }),
  })
})

/**
 * One process at a time proves what is to land: two would prove the same base, and one of them in vain. Landing itself
 * is guarded by the landing lock, whoever has this one.
 */
export class LineLock extends Context.Tag("hyperion/platform/LineLock")<LineLock, LineLockShape>() {
  static readonly layer = Layer.scoped(LineLock, make)
}
