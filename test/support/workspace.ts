import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join, resolve } from "node:path"
import { sha256Hex } from "../../src/domain/hash.ts"
import type { PolicyInput } from "../../src/domain/policy.ts"

/** A git repository of its own in a fresh folder, with a person's identity and nobody else's configuration. */
export interface Repository {
  readonly root: string
  /** Folder around the repository, for what must lie outside of it. */
  readonly outside: string
  readonly env: Readonly<Record<string, string>>
  /** Runs git; throws with its message when it fails. Trailing white space is cut. */
  readonly git: (...args: string[]) => string
  /** Writes files; null removes one. */
  readonly write: (files: Readonly<Record<string, string | null>>) => void
  /** Writes files, commits everything and gives the commit's id. */
  readonly commit: (message: string, files?: Readonly<Record<string, string | null>>) => string
  /** A file's text; null when there is none. */
  readonly read: (path: string) => string | null
  readonly remove: () => void
}

/** What a test process may not pass on: settings of an agent around it, of Hyperion, of Bun and of git. */
const environment = (outside: string): Record<string, string> => ({
  PATH: process.env["PATH"] ?? "/usr/bin:/bin",
  HOME: join(outside, "home"),
  USER: "ada",
  LANG: "C.UTF-8",
  HYPERION_CACHE: join(outside, "cache"),
  GIT_CONFIG_NOSYSTEM: "1",
})

const openRepository = (outside: string): Repository => {
  const root = join(outside, "repo")
  const env = environment(outside)
  const git = (...args: string[]): string => {
    const done = Bun.spawnSync(["git", ...args], { cwd: root, env, stdin: "ignore" })
    if (done.exitCode !== 0) throw new Error(`git ${args.join(" ")}: ${done.stderr.toString()}`)
    return done.stdout.toString().trimEnd()
  }
  const write: Repository["write"] = (files) => {
    for (const [path, text] of Object.entries(files)) {
      const file = join(root, path)
      if (text === null) rmSync(file, { recursive: true, force: true })
      else {
        mkdirSync(dirname(file), { recursive: true })
        writeFileSync(file, text)
      }
    }
  }
  return {
    root,
    outside,
    env,
    git,
    write,
    commit: (message, files = {}) => {
      write(files)
      git("add", "--all")
      git("commit", "--quiet", "--allow-empty", "--message", message)
      return git("rev-parse", "HEAD")
    },
    read: (path) => (existsSync(join(root, path)) ? readFileSync(join(root, path), "utf8") : null),
    remove: () => rmSync(outside, { recursive: true, force: true }),
  }
}

const freshFolder = () => mkdtempSync(join(tmpdir(), "hyperion-repo-"))

/** A repository on `main` with one commit of these files; `{}` leaves the branch unborn. */
export const makeRepository = (files: Readonly<Record<string, string>> = { "a.txt": "a\n" }): Repository => {
  const repository = openRepository(freshFolder())
  mkdirSync(repository.root)
  mkdirSync(join(repository.outside, "home"))
  repository.git("init", "--quiet", "--initial-branch", "main")
  repository.git("config", "user.name", "Ada")
  repository.git("config", "user.email", "ada@example.org")
  repository.git("config", "gc.auto", "0")
  if (Object.keys(files).length > 0) repository.commit("base", files)
  return repository
}

/** The same repository and everything around it once more, in a folder of its own. */
export const copyRepository = (from: Repository): Repository => {
  const outside = freshFolder()
  cpSync(from.outside, outside, { recursive: true, verbatimSymlinks: true })
  return openRepository(outside)
}

/** The compiled binary under test. `bun run check` builds it before the tests; alone, they need `bun run build`. */
export const BINARY = resolve(
  import.meta.dir,
  "../..",
  process.env["HYPERION_TEST_BINARY"] ?? "dist/hyperion",
)
export const hasBinary = existsSync(BINARY)

export interface Ran {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

export interface RunSettings {
  readonly cwd?: string
  readonly env?: Readonly<Record<string, string>>
  readonly stdin?: string | Uint8Array
}

/** Runs the compiled binary in a repository; nothing of this process's environment gets through. */
export const hyperion = (
  { root, env }: Pick<Repository, "root" | "env">,
  args: readonly string[],
  settings: RunSettings = {},
): Ran => {
  const done = Bun.spawnSync([BINARY, ...args], {
    cwd: settings.cwd ?? root,
    env: { ...env, ...settings.env },
    stdin: settings.stdin === undefined ? "ignore" : new Blob([settings.stdin as string]),
  })
  return { code: done.exitCode, stdout: done.stdout.toString(), stderr: done.stderr.toString() }
}

/** The same without waiting: for what happens while it runs. */
export const startHyperion = (
  { root, env }: Pick<Repository, "root" | "env">,
  args: readonly string[],
  settings: RunSettings = {},
) => {
  const child = Bun.spawn([BINARY, ...args], {
    cwd: settings.cwd ?? root,
    env: { ...env, ...settings.env },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  })
  const ended = async (): Promise<Ran> => {
    const [stdout, stderr, code] = await Promise.all([
      new Response(child.stdout).text(),
      new Response(child.stderr).text(),
      child.exited,
    ])
    return { code, stdout, stderr }
  }
  return { child, ended: ended() }
}

/** A policy under which a change lands by itself: no person, no guard, no list of sensitive files. */
export const OPEN_POLICY: Omit<PolicyInput, "version"> = {
  landing: { branch: "main" },
  approvals: { required: 0, presence: "none", unattended: true },
  sensitive_paths: { remove: ["*"] },
}

/** Initialises a workspace with the binary; the policy is written first, so that init trusts it. */
export const initWorkspace = (repository: Repository, policy: Omit<PolicyInput, "version">): void => {
  repository.write({ "hyperion.json": JSON.stringify({ version: 1, ...policy }) })
  const ran = hyperion(repository, ["init"])
  if (ran.code !== 0 && !ran.stdout.includes("infra")) throw new Error(`init: ${ran.stderr}${ran.stdout}`)
}

export const contentHashOf = (text: string): string => sha256Hex(text)

/** A change request as an agent sends it, hashes right. */
export const requestOf = (
  taskId: string,
  files: Readonly<Record<string, string | null>>,
  more: Readonly<Record<string, unknown>> = {},
) => ({
  task_id: taskId,
  agent: "stub",
  metadata: { intent: `change ${Object.keys(files).join(", ")}` },
  changes: Object.entries(files).map(([path, text]) => changeOf(path, text)),
  ...more,
})

/** One change of a whole file: an add unless `operation` says otherwise; null deletes it. */
export const changeOf = (
  path: string,
  text: string | null,
  operation: "add" | "update" | "delete" = text === null ? "delete" : "add",
): Record<string, unknown> => ({
  path,
  operation,
  content: text ?? "",
  patch_hash: sha256Hex(text ?? ""),
})

/** One change by a git-style patch. */
export const patchOf = (
  path: string,
  patch: string,
  operation: "add" | "update" | "delete" = "update",
  more: Readonly<Record<string, unknown>> = {},
): Record<string, unknown> => ({ path, operation, patch, patch_hash: sha256Hex(patch), ...more })

/** A patch that replaces one line of a file whose lines are given, with `context` lines around it. */
export const linePatch = (
  path: string,
  lines: readonly string[],
  at: number,
  replacement: string,
  context = 1,
): string => {
  const from = Math.max(0, at - context)
  const to = Math.min(lines.length, at + context + 1)
  const count = to - from
  const body = lines
    .slice(from, to)
    .flatMap((line, index) => (from + index === at ? [`-${line}`, `+${replacement}`] : [` ${line}`]))
  return `--- a/${path}\n+++ b/${path}\n@@ -${from + 1},${count} +${from + 1},${count} @@\n${body.join("\n")}\n`
}
