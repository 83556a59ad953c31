import { closeSync, openSync, writeSync } from "node:fs"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { errnoOf, StoreFailed } from "./git/errors.ts"

export type WriteLine = (line: string) => Effect.Effect<void, StoreFailed>

/**
 * A new file of lines, closed with the scope. It appears with its first line, so that what fails before leaves nothing
 * behind; one that is there is never replaced.
 */
export const openLines = (path: string): Effect.Effect<WriteLine, never, Scope.Scope> =>
  Effect.map(
    Effect.acquireRelease(
      Effect.sync(() => ({ fd: -1 })),
      (file) => Effect.sync(() => file.fd >= 0 && closeSync(file.fd)),
    ),
    (file) => (line) =>
      Effect.try({
        try: () => {
          if (file.fd < 0) file.fd = openSync(path, "wx")
          const bytes = Buffer.from(`${line}\n`)
          for (let at = 0; at < bytes.length; ) at += writeSync(file.fd, bytes, at, bytes.length - at)
        },
        catch: (error) =>
          new StoreFailed({ operation: file.fd < 0 ? "create" : "write", path, code: errnoOf(error) }),
      }),
  )
