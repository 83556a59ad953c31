import { appendFileSync, existsSync, mkdirSync, readFileSync } from "node:fs"
import { dirname, join } from "node:path"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { writeFileAtomic } from "./atomic-file.ts"
import { findExecutable } from "./executable.ts"
import { errnoOf, StoreFailed } from "./git/errors.ts"

export interface WorkspaceFilesShape {
  /** A file of the workspace's root as text; null when there is none. */
  readonly readRoot: (root: string, name: string) => string | null
  /** Replaces a file whole. */
  readonly write: (path: string, content: string) => Effect.Effect<void, StoreFailed>
  /** Adds patterns to `info/exclude` of a git directory, once each; returns those that were added. */
  readonly exclude: (
    gitDir: string,
    patterns: readonly string[],
  ) => Effect.Effect<readonly string[], StoreFailed>
  /** Which of these programs are on PATH. */
  readonly onPath: (names: readonly string[], path: string) => readonly string[]
}

const attempt = <A>(operation: string, path: string, body: () => A): Effect.Effect<A, StoreFailed> =>
  Effect.try({ try: body, catch: (error) => new StoreFailed({ operation, path, code: errnoOf(error) }) })

/** `.hyperion` and its folders, readable by their owner alone. Made before the database can be opened. */
export const makeStateFolders = (stateDir: string): Effect.Effect<void, StoreFailed> =>
  attempt("create", stateDir, () => {
    for (const folder of ["", "stage", "drafts", "logs"])
      mkdirSync(join(stateDir, folder), { recursive: true, mode: 0o700 })
  })

/** The few files of the workspace that are not the repository's content. */
export class WorkspaceFiles extends Context.Tag("hyperion/platform/WorkspaceFiles")<
  WorkspaceFiles,
  WorkspaceFilesShape
>() {
  static readonly layer = Layer.succeed(WorkspaceFiles, {
    readRoot: (root, name) => {
      try {
        return readFileSync(join(root, name), "utf8")
      } catch {
        return null
      }
    },
    write: (path, content) => attempt("write", path, () => writeFileAtomic(path, content)),
    exclude: (gitDir, patterns) =>
      attempt("write", `${gitDir}/info/exclude`, () => {
        const file = `${gitDir}/info/exclude`
        const text = existsSync(file) ? readFileSync(file, "utf8") : ""
        const present = new Set(text.split("\n"))
        const added = patterns.filter((pattern) => !present.has(pattern))
        if (added.length === 0) return added
        mkdirSync(dirname(file), { recursive: true })
        appendFileSync(file, `${text === "" || text.endsWith("\n") ? "" : "\n"}${added.join("\n")}\n`)
        return added
      }),
    onPath: (names, path) => names.filter((name) => findExecutable(name, { cwd: "/", path }).ok),
  })
}
