import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import * as Effect from "effect/Effect"
import { errnoOf, type GitFailed, StoreFailed } from "./errors.ts"
import { editIndex, parseIndex } from "./index-file.ts"
import type { RepositoryLayout } from "./layout.ts"
import { makeOwnGitDir } from "./own-git-dir.ts"
import { byteStringToPath, pathToByteString, pathToBytes } from "./path-bytes.ts"
import { type Environment, runGitOk } from "./process.ts"
import type { BlobEntry } from "./tree-edit.ts"
import type { UserConfig } from "./user-config.ts"

/** Why checkout bytes of a path differ from its blob's bytes; null: they are the same. */
export type CheckoutConversion = "filter" | "ident" | "working-tree-encoding" | "eol" | null

const ATTRIBUTES = ["filter", "ident", "working-tree-encoding", "eol", "text", "crlf"]

/** The `.gitattributes` paths that can speak about these paths: one per folder on the way. */
export const attributeFiles = (paths: Iterable<string>): readonly string[] => {
  const files = new Set([".gitattributes"])
  for (const path of paths) {
    for (let slash = path.indexOf("/"); slash >= 0; slash = path.indexOf("/", slash + 1)) {
      files.add(`${path.slice(0, slash)}/.gitattributes`)
    }
  }
  return Array.from(files)
}

/** Attribute sources outside the tree, and line-ending settings that need no attribute at all. */
export const conversionPossible = (
  env: Environment,
  layout: RepositoryLayout,
  config: UserConfig,
  inTree: boolean,
): boolean => {
  const xdg = env["XDG_CONFIG_HOME"] || `${env["HOME"] ?? ""}/.config`
  return (
    inTree ||
    config.get("core.attributesfile") !== undefined ||
    config.get("core.autocrlf")?.toLowerCase() === "true" ||
    [`${layout.commonDir}/info/attributes`, `${xdg}/git/attributes`, "/etc/gitattributes"].some((path) =>
      existsSync(path),
    )
  )
}

const isSet = (value: string | undefined): value is string =>
  value !== undefined && value !== "unspecified" && value !== "unset"

/** convert.c's rules, by path alone: content that merely might be converted counts as converted. */
const conversionOf = (attributes: ReadonlyMap<string, string>, config: UserConfig): CheckoutConversion => {
  const filter = attributes.get("filter")
  if (isSet(filter) && config.filters.has(filter)) return "filter"
  if (attributes.get("ident") === "set") return "ident"
  const encoding = attributes.get("working-tree-encoding")
  if (isSet(encoding) && !/^utf-?8$/i.test(encoding)) return "working-tree-encoding"
  let text = attributes.get("text")
  if (text === undefined || text === "unspecified") text = attributes.get("crlf")
  const eol = attributes.get("eol")
  if (text === "unset" || text === "input" || eol === "lf") return null
  if (eol === "crlf") return "eol"
  const autocrlf = config.get("core.autocrlf")?.toLowerCase()
  if (autocrlf === "true") return "eol"
  const converts = autocrlf !== "input" && config.get("core.eol")?.toLowerCase() === "crlf"
  return converts && isSet(text) ? "eol" : null
}

const parseAnswer = (stdout: Buffer): Map<string, Map<string, string>> => {
  const byPath = new Map<string, Map<string, string>>()
  const fields = stdout.toString("latin1").split("\0")
  for (let at = 0; at + 2 < fields.length; at += 3) {
    const path = byteStringToPath(fields[at]!)
    const attributes = byPath.get(path) ?? new Map<string, string>()
    attributes.set(fields[at + 1]!, fields[at + 2]!)
    byPath.set(path, attributes)
  }
  return byPath
}

/** As one item of a list of paths. */
const quotedPath = (path: string): string => `"${path.replace(/["\\]/g, "\\$&")}"`

const emptyIndex = parseIndex(null)

/** An index of nothing but the tree's attribute files: `check-attr --cached` then answers for that tree. */
const attributeIndex = (files: ReadonlyMap<string, BlobEntry>): Uint8Array => {
  const targets = Array.from(
    files,
    ([path, entry]) => [pathToByteString(path), { ...entry, stat: null, skipWorktree: false }] as const,
  )
  return emptyIndex.ok ? editIndex(emptyIndex.value, new Map(targets), new Set()) : new Uint8Array()
}

const temporaryIndex = (cacheDir: string, files: ReadonlyMap<string, BlobEntry>) =>
  Effect.acquireRelease(
    Effect.try({
      try: () => {
        const folder = mkdtempSync(`${cacheDir}/attributes-`)
        writeFileSync(`${folder}/index`, attributeIndex(files))
        return folder
      },
      catch: (error) => new StoreFailed({ operation: "write", path: cacheDir, code: errnoOf(error) }),
    }),
    (folder) => Effect.sync(() => rmSync(folder, { recursive: true, force: true })),
  )

/** One `git check-attr` for all paths, with the operator's own configuration; it evaluates, it starts no filter. */
export const askConversions = (
  env: Environment,
  layout: RepositoryLayout,
  cacheDir: string,
  config: UserConfig,
  paths: readonly string[],
  files: ReadonlyMap<string, BlobEntry>,
): Effect.Effect<ReadonlyMap<string, CheckoutConversion>, GitFailed | StoreFailed> =>
  Effect.scoped(
    Effect.gen(function* () {
      const folder = yield* temporaryIndex(cacheDir, files)
      const answer = yield* runGitOk(env, {
        args: ["check-attr", "--cached", "-z", "--stdin", ...ATTRIBUTES],
        gitDir: layout.gitDir,
        userConfig: true,
        // Paths are read relative to it.
        cwd: layout.worktree ?? folder,
        stdin: Buffer.concat(paths.flatMap((path) => [pathToBytes(path), Buffer.from([0])])),
        env: {
          GIT_INDEX_FILE: `${folder}/index`,
          GIT_WORK_TREE: layout.worktree ?? folder,
          // Attribute files of a tree that has not landed are in our own store only.
          GIT_ALTERNATE_OBJECT_DIRECTORIES: quotedPath(`${makeOwnGitDir(cacheDir, layout)}/objects`),
        },
      })
      const byPath = parseAnswer(answer.stdout)
      return new Map(paths.map((path) => [path, conversionOf(byPath.get(path) ?? new Map(), config)]))
    }),
  )
