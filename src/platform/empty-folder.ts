import { mkdirSync, readdirSync, realpathSync } from "node:fs"
import { resolve } from "node:path"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import { errnoOf, StoreFailed } from "./git/errors.ts"

/** What is to be written needs a folder of its own. Nothing was written. */
export class FolderNotEmpty extends Data.TaggedError("FolderNotEmpty")<{ readonly folder: string }> {
  override get message(): string {
    return `${this.folder} is not empty`
  }
}

/** Makes the folder, or takes one that is there and empty; gives its real path. */
export const emptyFolder = (path: string): Effect.Effect<string, StoreFailed | FolderNotEmpty> =>
  Effect.flatMap(
    Effect.try({
      try: () => {
        const folder = resolve(path)
        mkdirSync(folder, { recursive: true })
        return { folder: realpathSync(folder), empty: readdirSync(folder).length === 0 }
      },
      catch: (error) => new StoreFailed({ operation: "create", path, code: errnoOf(error) }),
    }),
    ({ folder, empty }) =>
      empty ? Effect.succeed(folder) : Effect.fail(new FolderNotEmpty({ folder: path })),
  )

/** The real path of a folder that is there. */
export const existingFolder = (path: string): Effect.Effect<string, StoreFailed> =>
  Effect.try({
    try: () => {
      readdirSync(path)
      return realpathSync(resolve(path))
    },
    catch: (error) => new StoreFailed({ operation: "read", path, code: errnoOf(error) }),
  })
