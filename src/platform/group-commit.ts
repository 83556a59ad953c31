import type { Database as Sqlite } from "bun:sqlite"
import * as Effect from "effect/Effect"

type Outcome = { readonly value: unknown } | { readonly error: unknown }

interface Waiting {
  readonly body: (db: Sqlite) => unknown
  outcome: Outcome | null
}

/** One body's writes, without those of the others when it throws. */
const apart = (db: Sqlite, body: (db: Sqlite) => unknown): Outcome => {
  db.query("SAVEPOINT one").run()
  try {
    const value = body(db)
    db.query("RELEASE one").run()
    return { value }
  } catch (error) {
    // A full disk or an I/O error may have rolled back everybody's.
    if (!db.inTransaction) throw error
    db.query("ROLLBACK TO one").run()
    db.query("RELEASE one").run()
    return { error }
  }
}

/**
 * Bodies of fibers that want to write at the same time, in one transaction and so with one flush for all of them: who
 * comes last before the first goes on still gets in. Each is stored or not on its own, and no answer is given before
 * the commit. `transaction` runs what it is given between BEGIN and COMMIT, or throws and stores nothing.
 */
export const groupCommit = (transaction: (work: (db: Sqlite) => void) => void) => {
  let waiting: Waiting[] = []
  const flush = () => {
    const group = waiting
    waiting = []
    try {
      transaction((db) => {
        // Alone its own failure is the transaction's.
        const [only] = group
        if (group.length === 1) only!.outcome = { value: only!.body(db) }
        else for (const one of group) one.outcome = apart(db, one.body)
      })
    } catch (error) {
      for (const one of group) one.outcome = { error }
    }
  }
  return <A, E>(
    body: (db: Sqlite) => A,
    attempt: <B>(run: () => B) => Effect.Effect<B, E>,
  ): Effect.Effect<A, E> =>
    Effect.uninterruptible(
      Effect.suspend(() => {
        const one: Waiting = { body, outcome: null }
        waiting.push(one)
        const answer = attempt(() => {
          if (one.outcome === null) flush()
          const outcome = one.outcome!
          if ("error" in outcome) throw outcome.error
          return outcome.value as A
        })
        // Whoever else is about to write does so meanwhile.
        return Effect.zipRight(Effect.yieldNow(), answer)
      }),
    )
}
