import { statSync } from "node:fs"
import * as Effect from "effect/Effect"
import type { GitFailed } from "./errors.ts"
import type { RepositoryLayout } from "./layout.ts"
import { type Environment, gitFailed, runGit } from "./process.ts"

/** The few values of the operator's whole git configuration (system, user, repository) that landing needs. */
export interface UserConfig {
  readonly get: (name: string) => string | undefined
  /** Drivers (`filter.<name>.…`) that would really run something. */
  readonly filters: ReadonlySet<string>
}

const WANTED =
  "^((user|author|committer)\\.(name|email)|core\\.(autocrlf|eol|attributesfile)|filter\\..*\\.(smudge|clean|process))$"

const parse = (stdout: Buffer): UserConfig => {
  const values = new Map<string, string>()
  const filters = new Set<string>()
  for (const record of stdout.toString("utf8").split("\0")) {
    const end = record.indexOf("\n")
    const name = end < 0 ? record : record.slice(0, end)
    const value = end < 0 ? "true" : record.slice(end + 1)
    const driver = /^filter\.(.*)\.[a-z]+$/s.exec(name)?.[1]
    if (driver === undefined) values.set(name, value)
    else if (value !== "") filters.add(driver)
  }
  return { get: (name) => values.get(name), filters }
}

/** One `git config` process with the operator's real configuration; it reads, it starts nothing. */
export const readUserConfig = (
  env: Environment,
  layout: RepositoryLayout,
): Effect.Effect<UserConfig, GitFailed> => {
  const args = ["config", "--includes", "-z", "--get-regexp", WANTED]
  return Effect.flatMap(runGit(env, { args, gitDir: layout.gitDir, userConfig: true }), (answer) =>
    answer.exitCode <= 1 ? Effect.succeed(parse(answer.stdout)) : Effect.fail(gitFailed(args, answer)),
  )
}

/** Changes when one of the files git reads configuration from does (included files aside). */
export const configStamp = (env: Environment, layout: RepositoryLayout): string => {
  const home = env["HOME"] ?? ""
  const xdg = env["XDG_CONFIG_HOME"] || `${home}/.config`
  const files = [
    `${layout.commonDir}/config`,
    `${layout.gitDir}/config.worktree`,
    env["GIT_CONFIG_GLOBAL"] ?? `${home}/.gitconfig`,
    `${xdg}/git/config`,
    env["GIT_CONFIG_SYSTEM"] ?? "/etc/gitconfig",
  ]
  return files
    .map((path) => {
      const stat = statSync(path, { bigint: true, throwIfNoEntry: false })
      return stat ? `${stat.ino}:${stat.size}:${stat.mtimeNs}:${stat.ctimeNs}` : "-"
    })
    .join(" ")
}
