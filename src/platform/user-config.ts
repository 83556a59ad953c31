import { readFileSync } from "node:fs"
import { homedir } from "node:os"
import { join } from "node:path"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import { parseUserConfig, type UserConfig } from "../domain/settings.ts"
import { told, type Violation } from "../domain/violation.ts"
import type { Environment } from "./Terminal.ts"

/** The user's configuration cannot be read, or says what it may not say. */
export class UserConfigInvalid extends Data.TaggedError("UserConfigInvalid")<{
  readonly file: string
  readonly violations: readonly Violation[]
}> {
  override get message(): string {
    const [first, ...rest] = this.violations
    return `${this.file}: ${first === undefined ? "it is invalid" : told(first)}${rest.length > 0 ? ` (and ${rest.length} more)` : ""}`
  }
}

/** Where the user's configuration lies; a relative XDG_CONFIG_HOME does not count (XDG Base Directory 0.8). */
export const userConfigFile = (env: Environment): string => {
  const xdg = env["XDG_CONFIG_HOME"]
  const folder = xdg?.startsWith("/") ? xdg : join(env["HOME"] || homedir(), ".config")
  return join(folder, "hyperion", "config.json")
}

/** The user's configuration; null when there is none. */
export const readUserConfig = (env: Environment): Effect.Effect<UserConfig | null, UserConfigInvalid> =>
  Effect.suspend(() => {
    const file = userConfigFile(env)
    let bytes: Uint8Array
    try {
      bytes = readFileSync(file)
    } catch (error) {
      const { code = "UNKNOWN" } = error as { code?: string }
      if (code === "ENOENT" || code === "ENOTDIR") return Effect.succeed(null)
      const message = `it cannot be read (${code})`
      return new UserConfigInvalid({
        file,
        violations: [{ code: "unreadable", path: "", message, hint: `make ${file} readable, or remove it` }],
      })
    }
    const parsed = parseUserConfig(bytes)
    return parsed.ok
      ? Effect.succeed(parsed.value)
      : new UserConfigInvalid({ file, violations: parsed.error })
  })
