import { homedir } from "node:os"
import { join } from "node:path"

/** Hyperion's folder in the user's cache: candidates, its own git directories, prepared dependencies. */
export const cacheDir = (env: Readonly<Record<string, string | undefined>>): string =>
  env["HYPERION_CACHE"] || join(env["XDG_CACHE_HOME"] || join(env["HOME"] || homedir(), ".cache"), "hyperion")
