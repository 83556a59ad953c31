import { closeSync, openSync, writeSync } from "node:fs"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { errnoOf, StoreFailed } from "./git/errors.ts"

/** A new file of lines, closed with the scope. Refuses to replace one that is there. */
export const openLines = (path: string): Effect.Effect<(line: string) => void, StoreFailed, Scope.Scope> =>
  Effect.map(
    Effect.acquireRelease(
      Effect.try({
        try: () => openSync(path, "wx"),
        catch: (error) => new StoreFailed({ operation: "create", path, code: errnoOf(error) }),
      }),
      (fd) => Effect.sync(() => closeSync(fd)),
    ),
    (fd) => (line) => {
      const bytes = Buffer.from(`${line}\n`)
      for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at, bytes.length - at)
    },
  )
