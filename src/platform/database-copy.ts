import { Database as Sqlite } from "bun:sqlite"
import {
  chmodSync,
  closeSync,
  existsSync,
  fsyncSync,
  linkSync,
  openSync,
  renameSync,
  rmSync,
  statSync,
} from "node:fs"
import { dirname, resolve } from "node:path"
import * as Effect from "effect/Effect"
import { auditHead } from "./audit-append.sql.ts"
import { DatabaseError, type DatabaseShape } from "./Database.ts"
import { COPY_INTO, INTEGRITY, IS_ROW } from "./database-copy.sql.ts"
import { errnoOf, StoreFailed } from "./git/errors.ts"
import { IDENTITY, type Identity } from "./identity.sql.ts"

export interface DatabaseCopy {
  readonly file: string
  readonly bytes: number
  readonly schema: number
  /** The newest row of the log in the copy. */
  readonly seq: number
  readonly head: string
}

const flush = (path: string): void => {
  const fd = openSync(path, "r")
  try {
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
}

/** Gives the finished file its name, never another file's. */
const publish = (partial: string, target: string): void => {
  try {
    linkSync(partial, target)
    rmSync(partial)
  } catch (error) {
    if (errnoOf(error) === "EEXIST") throw error
    // A file system without hard links.
    closeSync(openSync(target, "wx", 0o600))
    renameSync(partial, target)
  }
  flush(dirname(target))
}

interface Inspected {
  readonly identity: Identity
  readonly problems: readonly string[]
  readonly seq: number
  readonly head: string
}

const inspect = (file: string): Inspected => {
  const db = new Sqlite(file, { readonly: true })
  try {
    const problems = db
      .query<{ integrity_check: string }, []>(INTEGRITY)
      .all()
      .map(({ integrity_check }) => integrity_check)
    const { seq, hash } = auditHead(db)
    return {
      identity: db.query<Identity, []>(IDENTITY).get()!,
      problems: problems.filter((text) => text !== "ok"),
      seq,
      head: hash,
    }
  } finally {
    db.close()
  }
}

/**
 * Writes a copy of the database as it is at one moment, while others go on working, and checks it: structure, schema,
 * and that it ends with a row of this very log. Never overwrites; nothing is left when it fails.
 */
export const copyDatabase = (
  database: DatabaseShape,
  to: string,
): Effect.Effect<DatabaseCopy, DatabaseError | StoreFailed> => {
  const target = resolve(to)
  const partial = `${target}.${process.pid}.partial`
  const attempt = <A>(operation: string, body: () => A): Effect.Effect<A, StoreFailed> =>
    Effect.try({
      try: body,
      catch: (error) => new StoreFailed({ operation, path: target, code: errnoOf(error) }),
    })
  const damaged = (detail: string) =>
    new DatabaseError({ fault: "corrupt", file: database.file, detail: `its copy: ${detail}` })

  return Effect.gen(function* () {
    if (existsSync(target))
      return yield* new StoreFailed({ operation: "write", path: target, code: "EEXIST" })
    // Empty and closed to others: SQLite fills a file that is there, and keeps its mode.
    yield* attempt("write", () => closeSync(openSync(partial, "wx", 0o600)))
    const before = yield* database.read((db) => auditHead(db).seq)
    yield* database.read((db) => db.query(COPY_INTO).run(partial))
    yield* attempt("write", () => {
      chmodSync(partial, 0o600)
      flush(partial)
    })
    const copy = yield* Effect.try({ try: () => inspect(partial), catch: (error) => damaged(String(error)) })
    if (copy.problems.length > 0) return yield* damaged(copy.problems[0]!)
    const isOurs = yield* database.read(
      (db) =>
        copy.seq === 0 ||
        db.query<{ found: number }, [number, string]>(IS_ROW).get(copy.seq, copy.head) !== null,
    )
    if (copy.seq < before || !isOurs)
      return yield* damaged(`it ends with row ${copy.seq}, which is not the log's`)
    yield* attempt("write", () => publish(partial, target))
    return {
      file: target,
      bytes: statSync(target).size,
      schema: copy.identity.version,
      seq: copy.seq,
      head: copy.head,
    } satisfies DatabaseCopy
  }).pipe(Effect.ensuring(Effect.sync(() => rmSync(partial, { force: true }))))
}
