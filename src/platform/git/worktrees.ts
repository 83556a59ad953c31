import { existsSync, readdirSync, readFileSync } from "node:fs"
import { dirname, resolve } from "node:path"
import type { RepositoryLayout } from "./layout.ts"
import { finalRef } from "./refs.ts"

/** A merge, rebase … that the operator has begun and not finished. */
export type Operation = "merge" | "rebase" | "cherry-pick" | "revert" | "bisect"

/** One working tree and what its HEAD says. */
export interface Worktree {
  /** Absolute path of its root. */
  readonly root: string
  readonly gitDir: string
  /** The branch HEAD names (`refs/heads/…`), null when detached. */
  readonly branch: string | null
  /** A branch that a rebase or bisect begun here will come back to. */
  readonly returnsTo: string | null
  readonly operation: Operation | null
}

const MARKS: readonly (readonly [string, Operation])[] = [
  ["rebase-merge", "rebase"],
  ["rebase-apply", "rebase"],
  ["MERGE_HEAD", "merge"],
  ["CHERRY_PICK_HEAD", "cherry-pick"],
  ["REVERT_HEAD", "revert"],
  ["sequencer", "cherry-pick"],
  ["BISECT_LOG", "bisect"],
]

/** What is in progress in this working tree's git directory, by the same files git looks at. */
export const operationInProgress = (gitDir: string): Operation | null =>
  MARKS.find(([mark]) => existsSync(`${gitDir}/${mark}`))?.[1] ?? null

const readLine = (path: string): string | null => {
  try {
    return readFileSync(path, "utf8").trim()
  } catch {
    return null
  }
}

const asBranch = (text: string | null): string | null => {
  if (text === null || /^[0-9a-f]{40}$/.test(text) || text === "detached HEAD") return null
  return text.startsWith("refs/") ? text : `refs/heads/${text}`
}

const asBranchOfHead = (ref: string): string | null => (ref === "HEAD" ? null : ref)

const describe = (root: string, gitDir: string, commonDir: string): Worktree => ({
  root,
  gitDir,
  branch: asBranchOfHead(finalRef({ gitDir, commonDir }, "HEAD")),
  returnsTo: asBranch(
    readLine(`${gitDir}/rebase-merge/head-name`) ??
      readLine(`${gitDir}/rebase-apply/head-name`) ??
      readLine(`${gitDir}/BISECT_START`),
  ),
  operation: operationInProgress(gitDir),
})

const linkedIds = (commonDir: string): readonly string[] => {
  try {
    return readdirSync(`${commonDir}/worktrees`).toSorted()
  } catch {
    return []
  }
}

/** The root of the main working tree: beside `.git`, or where `core.worktree` says when we stand in it. */
const mainRoot = (layout: RepositoryLayout): string | null => {
  if (layout.gitDir === layout.commonDir) return layout.worktree
  return layout.commonDir.endsWith("/.git") ? dirname(layout.commonDir) : null
}

/**
 * The main working tree first, then the linked ones. One whose folder is gone is left out (git would prune it)
 * unless it is locked, e.g. on a drive that is not mounted now.
 */
export const listWorktrees = (layout: RepositoryLayout): readonly Worktree[] => {
  const main = mainRoot(layout)
  const found = main === null ? [] : [describe(main, layout.commonDir, layout.commonDir)]
  for (const id of linkedIds(layout.commonDir)) {
    const gitDir = `${layout.commonDir}/worktrees/${id}`
    const pointer = readLine(`${gitDir}/gitdir`)
    if (pointer === null) continue
    const root = dirname(resolve(gitDir, pointer))
    if (existsSync(root) || existsSync(`${gitDir}/locked`))
      found.push(describe(root, gitDir, layout.commonDir))
  }
  return found
}
