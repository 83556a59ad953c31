import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { GitRepository } from "../../src/platform/git/GitRepository.ts"
import { runLive } from "../support/effect.ts"

/** A throw-away repository driven by the real git, with a home of its own. */
export interface Fixture {
  readonly folder: string
  readonly root: string
  readonly home: string
  readonly env: Record<string, string>
  readonly git: (...args: readonly string[]) => string
  /** stdout, stderr and exit code; nothing thrown. */
  readonly tryGit: (
    args: readonly string[],
    options?: {
      readonly cwd?: string
      readonly stdin?: string | Uint8Array
      readonly env?: Record<string, string>
    },
  ) => { readonly exitCode: number; readonly stdout: Buffer; readonly stderr: string }
  /** Writes files (parents too) relative to the root. */
  readonly write: (files: Readonly<Record<string, string | Uint8Array>>) => void
  readonly commit: (message: string) => string
  readonly run: <A, E>(body: Effect.Effect<A, E, GitRepository | Scope.Scope>, start?: string) => Promise<A>
  readonly remove: () => void
}

export const makeFixture = (init: readonly string[] = []): Fixture => {
  const folder = mkdtempSync(join(tmpdir(), "hyperion-git-"))
  const root = join(folder, "repository")
  const home = join(folder, "home")
  for (const path of [root, home]) mkdirSync(path)
  const env = {
    PATH: process.env["PATH"] ?? "",
    HOME: home,
    GIT_CONFIG_NOSYSTEM: "1",
    GIT_AUTHOR_NAME: "A Person",
    GIT_AUTHOR_EMAIL: "person@example.invalid",
    GIT_AUTHOR_DATE: "1700000000 +0100",
    GIT_COMMITTER_NAME: "A Person",
    GIT_COMMITTER_EMAIL: "person@example.invalid",
    GIT_COMMITTER_DATE: "1700000000 +0100",
  }
  const tryGit: Fixture["tryGit"] = (args, options = {}) => {
    const done = Bun.spawnSync(["git", ...args], {
      cwd: options.cwd ?? root,
      env: { ...env, ...options.env },
      stdin: options.stdin === undefined ? "ignore" : Buffer.from(options.stdin),
      stdout: "pipe",
      stderr: "pipe",
    })
    return { exitCode: done.exitCode, stdout: done.stdout, stderr: done.stderr.toString() }
  }
  const git: Fixture["git"] = (...args) => {
    const done = tryGit(args)
    if (done.exitCode !== 0) throw new Error(`git ${args.join(" ")}: ${done.stderr}`)
    return done.stdout.toString().trimEnd()
  }
  git("init", "-q", "-b", "main", ...init)
  return {
    folder,
    root,
    home,
    env,
    git,
    tryGit,
    write: (files) => {
      for (const [path, content] of Object.entries(files)) {
        mkdirSync(dirname(join(root, path)), { recursive: true })
        writeFileSync(join(root, path), content)
      }
    },
    commit: (message) => {
      git("add", "-A")
      git("commit", "-q", "--allow-empty", "-m", message)
      return git("rev-parse", "HEAD")
    },
    run: (body, start = root) =>
      runLive(GitRepository.layer({ start, cacheDir: join(folder, "cache"), env }), body),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  }
}
