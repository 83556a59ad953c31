import type { Database as Sqlite } from "bun:sqlite"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { LogExport } from "../../src/audit/LogExport.ts"
import { type Verified, verify } from "../../src/operations/verify.ts"
import { Database } from "../../src/platform/Database.ts"
import { contentHashOf, linePatch, patchOf, requestOf } from "../support/workspace.ts"
import type { Workshop } from "../worker/workshop.ts"

type Services = Parameters<Workshop["run"]>[0] extends Effect.Effect<unknown, unknown, infer R> ? R : never

/** Runs something that writes the log out. */
export const withLog = <A, E>(
  shop: Workshop,
  body: Effect.Effect<A, E, Services | LogExport | Scope.Scope>,
): Promise<A> =>
  shop.run(
    Effect.scoped(
      Effect.flatMap(Layer.build(LogExport.layer), (built) =>
        Effect.provideService(body, LogExport, Context.get(built, LogExport)),
      ),
    ) as Effect.Effect<A, E, Services>,
  )

export const LINES: readonly string[] = Array.from({ length: 12 }, (_, index) => `line ${index}`)
export const TEXT = `${LINES.join("\n")}\n`

/** `TEXT` with some lines replaced. */
export const textWith = (lines: Readonly<Record<number, string>>): string =>
  `${LINES.map((line, index) => lines[index] ?? line).join("\n")}\n`

/** A change of one line of text.txt, made for the file as it was at the beginning. */
export const lineChange = (task: string, at: number, text: string, more: object = {}) => ({
  ...requestOf(task, {}, { metadata: { intent: task } }),
  changes: [
    patchOf("text.txt", linePatch("text.txt", LINES, at, text, 3), "update", {
      base_hash: contentHashOf(TEXT),
    }),
  ],
  ...more,
})

/** What verifying finds, entry by entry. */
export const verifyAll = async (shop: Workshop, id?: string): Promise<readonly Verified[]> => {
  const found: Verified[] = []
  await shop.run(
    Effect.scoped(verify(id, (one) => Effect.sync(() => void found.push(one)))) as Effect.Effect<
      unknown,
      unknown,
      Services
    >,
  )
  return found
}

/** Changes the database as somebody with a SQLite shell would, past the triggers of the log. */
export const tamper = (shop: Workshop, change: (db: Sqlite) => void) =>
  shop.run(
    Effect.flatMap(Database, (database) =>
      database.write((db) => {
        for (const name of ["update", "delete", "insert"])
          db.run(`DROP TRIGGER IF EXISTS audit_is_append_only_${name}`)
        change(db)
      }),
    ),
  )

/** Makes git forget everything but what the branch as it is now holds. */
export const forget = (shop: Workshop): void => {
  const tree = shop.git("rev-parse", "main^{tree}")
  const commit = shop.git("commit-tree", "-m", "squashed", tree)
  shop.git("update-ref", "refs/heads/main", commit)
  shop.git("reflog", "expire", "--expire=now", "--all")
  shop.git("gc", "--quiet", "--prune=now")
}
