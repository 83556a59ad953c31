import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { dirname, join, resolve } from "node:path"
import { encodeLoose, makeObject, serialiseCommit } from "../platform/git/objects.ts"
import type { ReadOnlyBind } from "../platform/sandbox-mounts.ts"
import { encodeIndex } from "./git-index.ts"
import type { Oid } from "./manifest.ts"
import type { WrittenFile } from "./slot-state.ts"
import { remove } from "./tree-files.ts"

export interface GitSource {
  /** `objects` folders that hold the candidate's tree and its base; read through alternates. Empty: no history. */
  readonly objectDirs: readonly string[]
  /** Parent of the candidate's commit; null = none. */
  readonly base: Oid | null
}

const CONFIG = `[core]
\trepositoryformatversion = 0
\tfilemode = true
\tbare = false
\tlogallrefupdates = false
\thooksPath = /dev/null
\tfsmonitor = false
\tautocrlf = false
[gc]
\tauto = 0
`

/** 2000-01-01: the same tree gives the same commit, and archives that begin in 1980 can hold its date. */
const COMMIT_SECONDS = 946_684_800
const WHO = { name: "hyperion", email: "hyperion@localhost", seconds: COMMIT_SECONDS, offset: "+0000" }

/** The folders and all that they in turn refer to as alternates: git follows them, so a sandbox must show them. */
const withAlternates = (folders: readonly string[]): readonly string[] => {
  const all = new Set<string>()
  const add = (folder: string): void => {
    if (all.has(folder) || !existsSync(folder)) return
    all.add(folder)
    const list = join(folder, "info", "alternates")
    if (!existsSync(list)) return
    for (const line of readFileSync(list, "utf8").split("\n")) {
      if (line !== "" && !line.startsWith("#")) add(resolve(folder, line))
    }
  }
  for (const folder of folders) add(folder)
  return Array.from(all)
}

export const objectBinds = (source: GitSource): readonly ReadOnlyBind[] =>
  withAlternates(source.objectDirs).map((folder) => ({ source: folder, target: folder }))

/**
 * Makes the candidate's `.git` anew: HEAD detached at a commit of the tree, an index that matches, no hooks. It is
 * ours to throw away, so nothing a guard does to it lasts.
 */
export const makeGitFolder = (
  root: string,
  tree: Oid,
  source: GitSource,
  files: ReadonlyMap<string, WrittenFile>,
  ignored: readonly string[],
): void => {
  const git = join(root, ".git")
  remove(git)
  for (const folder of ["objects/info", "objects/pack", "refs/heads", "info"]) {
    mkdirSync(join(git, folder), { recursive: true })
  }
  const write = (path: string, content: string | Uint8Array): void => {
    mkdirSync(dirname(join(git, path)), { recursive: true })
    writeFileSync(join(git, path), content)
  }
  write("config", CONFIG)
  write("info/exclude", ignored.map((path) => `/${path}\n`).join(""))
  write("index", encodeIndex(files, process.getuid?.() ?? 0, process.getgid?.() ?? 0))
  if (source.objectDirs.length === 0) {
    write("HEAD", "ref: refs/heads/candidate\n")
    return
  }
  const parents = source.base === null ? [] : [source.base]
  const body = serialiseCommit({ tree, parents, author: WHO, committer: WHO, message: "candidate\n" })
  const commit = makeObject("commit", body)
  write(`objects/${commit.oid.slice(0, 2)}/${commit.oid.slice(2)}`, encodeLoose(commit))
  write("objects/info/alternates", source.objectDirs.map((folder) => `${folder}\n`).join(""))
  write("HEAD", `${commit.oid}\n`)
}
