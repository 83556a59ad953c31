import * as Effect from "effect/Effect"
import { GitFailed } from "./errors.ts"

/** The environment of the operator's own shell, given once by the composition root. */
export type Environment = Readonly<Record<string, string | undefined>>

export interface GitAnswer {
  readonly exitCode: number
  readonly stdout: Buffer
  readonly stderr: string
}

export interface GitCall {
  readonly args: readonly string[]
  readonly gitDir: string
  readonly cwd?: string
  readonly stdin?: Uint8Array
  /** `key=value`, overruling the configuration files. */
  readonly config?: readonly string[]
  /** Added last; `GIT_INDEX_FILE`, `GIT_WORK_TREE`, a committer. */
  readonly env?: Readonly<Record<string, string>>
  /** Read the operator's own configuration too (identity, attributes). Default: the repository's alone. */
  readonly userConfig?: boolean
}

const KEPT = ["PATH", "HOME", "TMPDIR", "XDG_CONFIG_HOME", "SYSTEMROOT"]
const USER_CONFIG = /^GIT_CONFIG(_GLOBAL|_SYSTEM|_NOSYSTEM|_COUNT|_KEY_\d+|_VALUE_\d+|_PARAMETERS)?$/

/** Nothing of a `GIT_*` variable of the caller's shell reaches git, and no file but the repository's configures it. */
export const gitEnvironment = (env: Environment, userConfig = false): Record<string, string> => {
  const clean: Record<string, string> = {}
  for (const [key, value] of Object.entries(env)) {
    if (value === undefined) continue
    if (KEPT.includes(key) || (userConfig && USER_CONFIG.test(key))) clean[key] = value
  }
  Object.assign(clean, {
    LC_ALL: "C",
    GIT_TERMINAL_PROMPT: "0",
    GIT_OPTIONAL_LOCKS: "0",
    GIT_NO_REPLACE_OBJECTS: "1",
    GIT_NO_LAZY_FETCH: "1",
  })
  return userConfig ? clean : { ...clean, GIT_CONFIG_NOSYSTEM: "1", GIT_CONFIG_GLOBAL: "/dev/null" }
}

/** On every call: configuration that would start a program of the repository's choosing is overruled. */
export const GUARDED = [
  "--literal-pathspecs",
  "-c",
  "core.hooksPath=/dev/null",
  "-c",
  "core.fsmonitor=false",
  "-c",
  "core.pager=cat",
  "-c",
  "protocol.ext.allow=never",
  "-c",
  "gc.auto=0",
]

export const spawnError = (args: readonly string[], error: unknown): GitFailed =>
  new GitFailed({
    command: `git ${args[0] ?? ""}`,
    exitCode: null,
    stderr: error instanceof Error ? error.message : String(error),
  })

/** Runs git to its end. Any exit code is an answer; only a git that does not start fails. */
export const runGit = (env: Environment, call: GitCall): Effect.Effect<GitAnswer, GitFailed> =>
  Effect.tryPromise({
    try: async (signal) => {
      const config = (call.config ?? []).flatMap((setting) => ["-c", setting])
      const child = Bun.spawn(["git", ...GUARDED, ...config, ...call.args], {
        cwd: call.cwd ?? call.gitDir,
        env: { ...gitEnvironment(env, call.userConfig), GIT_DIR: call.gitDir, ...call.env },
        stdin: call.stdin ?? "ignore",
        stdout: "pipe",
        stderr: "pipe",
        signal,
      })
      const [stdout, stderr, exitCode] = await Promise.all([
        new Response(child.stdout).bytes(),
        new Response(child.stderr).text(),
        child.exited,
      ])
      return { exitCode, stdout: Buffer.from(stdout.buffer, stdout.byteOffset, stdout.byteLength), stderr }
    },
    catch: (error) => spawnError(call.args, error),
  })

export const gitFailed = (args: readonly string[], answer: GitAnswer): GitFailed =>
  new GitFailed({ command: `git ${args[0] ?? ""}`, exitCode: answer.exitCode, stderr: answer.stderr })

/** As `runGit`, but an exit code other than 0 fails. */
export const runGitOk = (env: Environment, call: GitCall): Effect.Effect<GitAnswer, GitFailed> =>
  Effect.filterOrFail(
    runGit(env, call),
    (answer) => answer.exitCode === 0,
    (answer) => gitFailed(call.args, answer),
  )
