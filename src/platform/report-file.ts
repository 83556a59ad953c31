import { mkdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import { writeFileAtomic } from "./atomic-file.ts"
import { errnoOf, StoreFailed } from "./git/errors.ts"

/** A small file that other programs write; null when there is none, or it cannot be read. */
export const readReport = (folder: string, name: string): string | null => {
  try {
    return readFileSync(join(folder, name), "utf8")
  } catch {
    return null
  }
}

/** Replaces a file of a folder whole, making the folder on first use. */
export const writeReport = (
  folder: string,
  name: string,
  content: string,
): Effect.Effect<void, StoreFailed> =>
  Effect.try({
    try: () => {
      mkdirSync(folder, { recursive: true })
      // Made again by the next command: a power cut may cost it.
      writeFileAtomic(join(folder, name), content, { durable: false })
    },
    catch: (error) => new StoreFailed({ operation: "write", path: join(folder, name), code: errnoOf(error) }),
  })
