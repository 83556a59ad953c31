import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import { quoted } from "../domain/violation.ts"
import type { GitFailed } from "../platform/git/errors.ts"
import type { Oid } from "../platform/git/objects.ts"
import { type Environment, gitFailed, runGit, runGitOk } from "../platform/git/process.ts"

/** Why a history cannot become change requests. `revision` is what was asked for or the commit it stopped at. */
export class ProposeFailed extends Data.TaggedError("ProposeFailed")<{
  readonly reason:
    | "unknown_revision"
    | "incomplete_history"
    | "too_large"
    | "unexpected_output"
    | "no_worktree"
    | "attribute_unsupported"
  readonly revision: string
  readonly detail: string
}> {
  override get message(): string {
    return `cannot propose ${quoted(this.revision)}: ${this.detail}`
  }
}

/**
 * `range`: commits of `to` that `from` does not reach. `ref`: commits of `ref` that the branch `landing` does not
 * reach; all of them when it is null or does not exist yet.
 */
export type ProposeRange =
  | { readonly kind: "range"; readonly from: string; readonly to: string }
  | { readonly kind: "ref"; readonly ref: string; readonly landing: string | null }

/** `A..B` (either side may be left out: HEAD) as a range; null when it is not of that form. */
export const parseRange = (text: string): ProposeRange | null => {
  const match = /^(.*?)\.\.(?!\.)(.*)$/s.exec(text)
  if (!match || text === ".." || match[1]!.endsWith(".")) return null
  return { kind: "range", from: match[1] || "HEAD", to: match[2] || "HEAD" }
}

interface Repository {
  readonly gitDir: string
  readonly env: Environment
}

/** The first-parent history of a range, oldest first. Two or three git processes. */
export const readHistory = Effect.fn("intake.readHistory")(function* (
  repository: Repository,
  range: ProposeRange,
) {
  const tip = yield* resolveCommit(repository, range.kind === "range" ? range.to : range.ref)
  const excluded = yield* exclusion(repository, range)
  const answer = yield* runGitOk(repository.env, {
    gitDir: repository.gitDir,
    args: ["rev-list", "--first-parent", "--reverse", tip, ...(excluded === null ? [] : [`^${excluded}`])],
  })
  return answer.stdout.toString("latin1").split("\n").slice(0, -1)
})

const exclusion = (
  repository: Repository,
  range: ProposeRange,
): Effect.Effect<Oid | null, ProposeFailed | GitFailed> => {
  if (range.kind === "range") return resolveCommit(repository, range.from)
  if (range.landing === null) return Effect.succeed(null)
  return Effect.catchTag(resolveCommit(repository, range.landing), "ProposeFailed", () =>
    Effect.succeed(null),
  )
}

const resolveCommit = Effect.fn("intake.resolveCommit")(function* (repository: Repository, name: string) {
  const unknown = new ProposeFailed({
    reason: "unknown_revision",
    revision: name,
    detail: "the repository has no such commit",
  })
  // A name that starts with a dash would be read as an option.
  if (name.startsWith("-") || name.includes("\0")) return yield* unknown
  const args = ["rev-parse", "--verify", "--quiet", `${name}^{commit}`]
  const answer = yield* runGit(repository.env, { gitDir: repository.gitDir, args })
  // 1 = no such name; anything else is about the repository.
  if (answer.exitCode > 1) return yield* gitFailed(args, answer)
  const oid = answer.stdout.toString("latin1").trim()
  return /^[0-9a-f]{40}$/.test(oid) ? oid : yield* unknown
})
