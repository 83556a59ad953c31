import * as Effect from "effect/Effect"
import { type Document, readDocuments } from "../intake/documents.ts"
import { type InputUnreadable, readInput } from "../platform/read-input.ts"

/** The documents of several files, in order. */
export const readAll = (files: readonly string[]): Effect.Effect<readonly Document[], InputUnreadable> =>
  Effect.map(
    Effect.forEach(files, (file) => Effect.map(readInput(file), (bytes) => readDocuments(bytes, file))),
    (documents) => documents.flat(),
  )
