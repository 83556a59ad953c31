import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import { payloadBytes } from "../../src/domain/change-request.ts"
import { type Proposal, type ProposeInput, propose } from "../../src/intake/propose.ts"

const ENV = {
  PATH: process.env["PATH"] ?? "",
  GIT_CONFIG_NOSYSTEM: "1",
  GIT_CONFIG_GLOBAL: "/dev/null",
}

export interface TestRepository {
  readonly gitDir: string
  readonly git: (args: readonly string[], stdin?: Uint8Array | string, env?: Record<string, string>) => string
  readonly remove: () => void
}

export const makeRepository = (): TestRepository => {
  const gitDir = mkdtempSync(join(tmpdir(), "hyperion-intake-"))
  const git: TestRepository["git"] = (args, stdin, env) => {
    const done = Bun.spawnSync(["git", ...args], {
      cwd: gitDir,
      env: { ...ENV, GIT_DIR: gitDir, ...env },
      stdin: stdin === undefined ? "ignore" : Buffer.from(stdin as Uint8Array),
    })
    if (done.exitCode !== 0) throw new Error(`git ${args.join(" ")}: ${done.stderr.toString()}`)
    return done.stdout.toString("utf8")
  }
  git(["init", "-q", "--bare", "-b", "main"])
  return { gitDir, git, remove: () => rmSync(gitDir, { recursive: true, force: true }) }
}

/** One file of a commit: its new content, or null to remove it. Paths and contents are latin1 byte strings. */
export type Files = Readonly<
  Record<string, readonly [mode: "100644" | "100755" | "120000" | "160000", content: string] | null>
>

export interface TestCommit {
  readonly files: Files
  readonly message?: string
  /** The whole value of the `author` line. */
  readonly author?: string
  readonly encoding?: string
  /** Mark of the second parent. */
  readonly merge?: number
  /** Mark of the first parent; 0 = none. Default: the commit before. */
  readonly from?: number
}

const quotedPath = (path: string): string =>
  `"${[...Buffer.from(path, "latin1")].map((byte) => `\\${byte.toString(8).padStart(3, "0")}`).join("")}"`

const data = (text: string): string => `data ${text.length}\n${text}\n`

/** Commits with marks 1, 2, … on `branch`, byte by byte as given (latin1). */
export const importCommits = (
  repository: TestRepository,
  commits: readonly TestCommit[],
  branch = "refs/heads/main",
): void => {
  const stream = commits.map((commit, index) => {
    const mark = index + 1
    const from = commit.from ?? index
    return [
      `commit ${branch}\nmark :${mark}\n`,
      `author ${commit.author ?? `Ada <ada@example.org> ${1_700_000_000 + mark} +0130`}\n`,
      `committer Bo <bo@example.org> ${1_700_000_000 + mark} +0000\n`,
      commit.encoding === undefined ? "" : `encoding ${commit.encoding}\n`,
      data(commit.message ?? `commit ${mark}`),
      from === 0 ? "" : `from :${from}\n`,
      commit.merge === undefined ? "" : `merge :${commit.merge}\n`,
      ...Object.entries(commit.files).map(([path, file]) => {
        if (file === null) return `D ${quotedPath(path)}\n`
        const [mode, content] = file
        if (mode === "160000") return `M 160000 ${content} ${quotedPath(path)}\n`
        return `M ${mode} inline ${quotedPath(path)}\n${data(content)}`
      }),
    ].join("")
  })
  repository.git(
    ["fast-import", "--quiet", "--date-format=raw", "--force"],
    Buffer.from(`feature done\n${stream.join("")}done\n`, "latin1"),
  )
}

export const collect = (
  repository: TestRepository,
  over: Partial<ProposeInput> = {},
): Promise<readonly Proposal[]> =>
  Effect.runPromise(
    Effect.gen(function* () {
      const proposals: Proposal[] = []
      yield* propose(
        { gitDir: repository.gitDir, env: ENV, range: { kind: "ref", ref: "main", landing: null }, ...over },
        (proposal) => Effect.sync(() => void proposals.push(proposal)),
      )
      return proposals
    }),
  )

/** Applies each proposal's patches with `git apply` and returns the tree after each, starting from `base`. */
export const applyAll = (
  repository: TestRepository,
  proposals: readonly Proposal[],
  base: string | null = null,
): readonly string[] => {
  const env = { GIT_INDEX_FILE: join(repository.gitDir, "replay.index") }
  repository.git(base === null ? ["read-tree", "--empty"] : ["read-tree", base], undefined, env)
  return proposals.map((proposal) => {
    const patch = Buffer.concat(proposal.change_request.changes.map((change) => payloadBytes(change)!))
    repository.git(["apply", "--cached", "--whitespace=nowarn", "-"], patch, env)
    return repository.git(["write-tree"], undefined, env).trim()
  })
}
