import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { fileLock } from "./file-lock.ts"
import { CurrentWorkspace } from "./Workspace.ts"

/** Another process is landing or recovering, and did not finish in time; or, with a `fault`, the lock is unusable. */
export class LandingBusy extends Data.TaggedError("LandingBusy")<{
  readonly file: string
  readonly fault: string | null
}> {
  override get message(): string {
    return this.fault === null
      ? "another process is landing in this workspace"
      : `the landing lock ${this.file} cannot be used: ${this.fault}`
  }
}

export interface LandingLockShape {
  /** Runs `body` while no other process of this workspace lands or recovers. `wait` in ms. */
  readonly exclusive: <A, E, R>(
    body: Effect.Effect<A, E, R>,
    wait: number,
  ) => Effect.Effect<A, E | LandingBusy, R>
  /** Is the process with this id still there? */
  readonly isAlive: (processId: number) => boolean
}

const POLL_MS = 5

const make = Effect.gen(function* () {
  const { stateDir } = yield* CurrentWorkspace
  const file = `${stateDir}/landing.lock`
  const turn = yield* Effect.makeSemaphore(1)
  const lock = fileLock(file)
  yield* Effect.addFinalizer(() => Effect.sync(lock.close))

  const acquire = (wait: number) =>
    Effect.tryPromise({
      try: async () => {
        for (let left = wait; !lock.tryTake(); left -= POLL_MS) {
          if (left <= 0) throw new LandingBusy({ file, fault: null })
          // The kernel's lock has no bell, and a clock under test must not hold up another process.
          await Bun.sleep(POLL_MS)
        }
      },
      catch: (error) => {
        if (error instanceof LandingBusy) return error
        return new LandingBusy({ file, fault: error instanceof Error ? error.message : String(error) })
      },
    })

  return LandingLock.of({
    exclusive: (body, wait) =>
      turn.withPermits(1)(
        Effect.acquireUseRelease(
          acquire(wait),
          () => body,
          () => Effect.sync(lock.release),
        ),
      ),
    isAlive: (processId) => {
      try {
        process.kill(processId, 0)
        return true
      } catch (error) {
        return (error as { readonly code?: unknown }).code === "EPERM"
      }
    },
  })
})

/** One landing or recovery at a time in a workspace. */
export class LandingLock extends Context.Tag("hyperion/platform/LandingLock")<
  LandingLock,
  LandingLockShape
>() {
  static readonly layer = Layer.scoped(LandingLock, make)
}
