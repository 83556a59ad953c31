import { readFileSync } from "node:fs"
import { join } from "node:path"

/** One text file of the repository, `path` relative to its root. */
export interface Source {
  readonly path: string
  readonly text: string
}

const ROOT = join(import.meta.dir, "../..")

export const readSources = (...patterns: readonly string[]): readonly Source[] =>
  patterns
    .flatMap((pattern) => [...new Bun.Glob(pattern).scanSync({ cwd: ROOT, dot: true })])
    .sort()
    .map((path) => ({ path, text: readFileSync(join(ROOT, path), "utf8") }))

export interface Import {
  readonly specifier: string
  /** Erased by the compiler: it joins nothing at run time. */
  readonly typeOnly: boolean
}

/** The text with comments blanked. Line by line: enough for a formatted code base, wrong for no code we accept. */
export const codeOf = (text: string): string =>
  text
    .replace(/^[ \t]*\/\*[\s\S]*?\*\//gm, (comment) => comment.replace(/[^\n]/g, ""))
    .replace(/(^|\s)\/\/.*$/gm, "$1")

const STATIC = /^(?:import|export)\s+(type\s+)?(?:([^"';]*?)\s+from\s+)?["']([^"']+)["']/gm
const DYNAMIC = /\bimport\(\s*["'`]([^"'`]+)["'`]/g

export const importsOf = (text: string): readonly Import[] => {
  const code = codeOf(text)
  const found: Import[] = []
  for (const [, type, names, specifier] of code.matchAll(STATIC)) {
    const listed = names?.match(/^\{([\s\S]*)\}$/)?.[1]?.split(",") ?? []
    const named = listed.map((name) => name.trim()).filter((name) => name !== "")
    const onlyTypes = named.length > 0 && named.every((name) => name.startsWith("type "))
    found.push({ specifier: specifier!, typeOnly: type !== undefined || onlyTypes })
  }
  for (const [, specifier] of code.matchAll(DYNAMIC)) found.push({ specifier: specifier!, typeOnly: false })
  return found
}

/** Where a relative import of `from` leads, as a path from the root; `null` for a package. */
export const resolved = (from: string, specifier: string): string | null =>
  specifier.startsWith(".") ? join(from, "..", specifier) : null

/** `src/cli/x.ts` → `cli`; `src/app.ts` → `app.ts`. */
export const roomOf = (path: string): string => path.split("/")[1] ?? ""
