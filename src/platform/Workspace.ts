import { statSync } from "node:fs"
import { dirname, join, resolve } from "node:path"
import * as Context from "effect/Context"
import { fail, ok, type Result } from "../domain/result.ts"
import { discover } from "./git/layout.ts"

export const STATE_DIR = ".hyperion"
export const POLICY_FILE = "hyperion.json"

/** Where everything of one workspace lives. All paths are absolute. */
export interface Workspace {
  readonly root: string
  readonly stateDir: string
  readonly databaseFile: string
  readonly policyFile: string
  /** The repository's own git directory; null outside a git repository. */
  readonly gitDir: string | null
}

export interface WorkspaceProblem {
  readonly code: "no_workspace" | "no_such_directory"
  readonly message: string
  readonly hint: string
}

export interface DiscoveryInput {
  readonly cwd: string
  readonly root?: string | undefined
  readonly db?: string | undefined
  readonly env: Readonly<Record<string, string | undefined>>
}

const isDirectory = (path: string): boolean =>
  statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false

/** The git directory shared by all worktrees of the repository `directory` belongs to; null when there is none. */
const commonGitDir = (directory: string): string | null => {
  const found = discover(directory)
  return found.ok ? found.value.commonDir : null
}

export const workspaceAt = (root: string, db?: string): Workspace => ({
  root,
  stateDir: join(root, STATE_DIR),
  databaseFile: db ?? join(root, STATE_DIR, "hyperion.db"),
  policyFile: join(root, POLICY_FILE),
  gitDir: commonGitDir(root),
})

/**
 * Where `init` makes a workspace: at the root of the repository's main working tree, wherever in it (or in a linked
 * one) it is asked to. Null when there is no repository.
 */
export const workspaceToMake = (start: string, db?: string): Workspace | null => {
  const found = discover(start)
  if (!found.ok || found.value.isBare) return null
  return workspaceAt(dirname(found.value.commonDir), db)
}

/** Finds the workspace: `--root`, `HYPERION_ROOT`, else upwards from `cwd`, through linked worktrees to their main one. */
export const discoverWorkspace = (input: DiscoveryInput): Result<Workspace, WorkspaceProblem> => {
  const db = input.db ?? (input.env["HYPERION_DB"] || undefined)
  const database = db === undefined ? undefined : resolve(input.cwd, db)
  const asked = input.root ?? (input.env["HYPERION_ROOT"] || undefined)
  if (asked !== undefined && !isDirectory(resolve(input.cwd, asked)))
    return fail({
      code: "no_such_directory",
      message: `there is no directory ${asked}`,
      hint: "correct --root (or HYPERION_ROOT)",
    })
  const start = resolve(input.cwd, asked ?? ".")
  for (let directory = start; ; directory = dirname(directory)) {
    if (isDirectory(join(directory, STATE_DIR))) return ok(workspaceAt(directory, database))
    if (dirname(directory) === directory) break
  }
  // A linked worktree: its workspace is the one beside the git directory that all worktrees share.
  const common = commonGitDir(start)
  if (common !== null && isDirectory(join(dirname(common), STATE_DIR)))
    return ok(workspaceAt(dirname(common), database))
  return fail({
    code: "no_workspace",
    message: `no Hyperion workspace at or above ${start}`,
    hint: "hyperion init",
  })
}

/** The workspace this process works in. */
export class CurrentWorkspace extends Context.Tag("hyperion/platform/Workspace")<
  CurrentWorkspace,
  Workspace
>() {}
