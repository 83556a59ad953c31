import { readFileSync } from "node:fs"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"

/** An input file that cannot be read. */
export class InputUnreadable extends Data.TaggedError("InputUnreadable")<{
  readonly file: string
  readonly reason: string
}> {
  override get message(): string {
    return `cannot read ${this.file}: ${this.reason}`
  }
}

/** Bytes of a file, or of stdin for `-`. */
export const readInput = (file: string): Effect.Effect<Uint8Array, InputUnreadable> =>
  Effect.try({
    try: () => readFileSync(file === "-" ? 0 : file),
    catch: (error) => {
      const code = (error as { code?: string }).code ?? "UNKNOWN"
      return new InputUnreadable({ file, reason: REASONS[code] ?? code })
    },
  })

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: "no such file",
  EISDIR: "it is a folder",
  EACCES: "permission denied",
}
