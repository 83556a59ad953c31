import * as Effect from "effect/Effect"
import * as RcRef from "effect/RcRef"
import type * as Scope from "effect/Scope"
import type { Millis } from "../domain/time.ts"
import { ringBells } from "./bells.ts"
import type { HungBell } from "./hung-bell.ts"

/** Hears of commits. What it hears is "look": whoever rings it without a commit causes a look, and no more. */
export interface Bell {
  /** False: none can hang here, and only this process's own commits are heard. Whoever waits must look often. */
  readonly hears: boolean
  /** Pauses until a commit since the last wait, of this process or another, at most this long. */
  readonly wait: (longest: Millis) => Effect.Effect<void>
}

export interface Bells {
  /** To be called after each commit. Best effort: never fails, never waits. */
  readonly ring: () => void
  readonly listen: Effect.Effect<Bell, never, Scope.Scope>
}

/** One named pipe for all who listen in this process, hung while somebody does; `null` is a database in memory. */
export const makeBells = Effect.fn("platform.makeBells")(function* (databaseFile: string | null) {
  const ears = new Set<() => void>()
  const hearAll = () => {
    for (const hear of ears) hear()
  }
  let hung: HungBell | null = null
  const pipe = yield* RcRef.make({
    acquire: Effect.acquireRelease(
      Effect.promise(async () => {
        // Most commands ring and never listen.
        const { hangBell } = await import("./hung-bell.ts")
        hung = databaseFile === null ? null : hangBell(databaseFile, process.pid, hearAll)
        return hung
      }),
      (bell) => Effect.sync(() => bell?.takeDown()),
    ),
  })
  return {
    ring: () => {
      hearAll()
      if (databaseFile !== null) ringBells(databaseFile, hung?.name ?? null)
    },
    listen: Effect.gen(function* () {
      const bell = yield* RcRef.get(pipe)
      let rung = false
      let wake = () => {}
      const hear = () => {
        rung = true
        wake()
      }
      yield* Effect.acquireRelease(
        Effect.sync(() => ears.add(hear)),
        () => Effect.sync(() => ears.delete(hear)),
      )
      return {
        hears: bell !== null,
        // Not a race: who wakes up would wait for the end of the timer first.
        wait: (longest) =>
          Effect.acquireUseRelease(
            Effect.forkDaemon(Effect.interruptible(Effect.sleep(longest))),
            (timer) =>
              Effect.async<void>((resume) => {
                wake = () => resume(Effect.void)
                timer.addObserver(wake)
                if (rung) wake()
              }),
            (timer) =>
              Effect.sync(() => {
                rung = false
                wake = () => {}
                timer.unsafeInterruptAsFork(timer.id())
              }),
          ),
      } satisfies Bell
    }),
  } satisfies Bells
})
