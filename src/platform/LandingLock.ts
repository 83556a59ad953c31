import { Database as Sqlite } from "bun:sqlite"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
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

/** Made durable by nobody and never written to: it exists to be locked. */
const open = (file: string): Sqlite => {
  const db = new Sqlite(file, { create: true, readwrite: true })
  try {
    db.run("PRAGMA busy_timeout = 0")
    // A write lock on an empty database prepares its first page; that must not cost a journal file.
    db.run("PRAGMA journal_mode = MEMORY")
    return db
  } catch (error) {
    db.close()
    throw error
  }
}

const isBusy = (error: unknown): boolean =>
  String((error as { readonly code?: unknown }).code ?? "").startsWith("SQLITE_BUSY")

const make = Effect.gen(function* () {
  const { stateDir } = yield* CurrentWorkspace
  const file = `${stateDir}/landing.lock`
  const turn = yield* Effect.makeSemaphore(1)
  let db: Sqlite | null = null
  yield* Effect.addFinalizer(() => Effect.sync(() => db?.close()))

  const tryLock = (): boolean => {
    try {
      // Opening meets the lock as well.
      db ??= open(file)
      db.run("BEGIN EXCLUSIVE")
      return true
    } catch (error) {
      if (isBusy(error)) return false
      throw error
    }
  }

  const acquire = (wait: number) =>
    Effect.tryPromise({
      try: async () => {
        for (let left = wait; !tryLock(); left -= POLL_MS) {
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
          () => Effect.sync(() => db?.run("ROLLBACK")),
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

/**
 * One landing or recovery at a time in a workspace. SQLite's lock on an empty file: the kernel drops it with the
 * process that held it, so there is nothing stale to judge, whatever process ids or clocks say.
 */
export class LandingLock extends Context.Tag("hyperion/platform/LandingLock")<
  LandingLock,
  LandingLockShape
>() {
  static readonly layer = Layer.scoped(LandingLock, make)
}
