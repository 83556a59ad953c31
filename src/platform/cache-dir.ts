import { homedir } from "node:os"
import { isAbsolute, join } from "node:path"

/**
 * Hyperion's folder in the user's cache: candidates, its own git directories, prepared dependencies. A path that is not
 * absolute is not heeded, as the XDG base directory specification has it: it would be another one in every folder, and
 * inside the repository in most.
 */
export const cacheDir = (env: Readonly<Record<string, string | undefined>>): string => {
  const from = (name: string): string | undefined => {
    const path = env[name]
    return path !== undefined && isAbsolute(path) ? path : undefined
  }
  const cache = () => from("XDG_CACHE_HOME") ?? join(from("HOME") ?? homedir(), ".cache")
  return from("HYPERION_CACHE") ?? join(cache(), "hyperion")
}
