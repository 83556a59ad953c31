import * as Data from "effect/Data"
import type { Oid } from "./objects.ts"
import type { TreeEditProblem } from "./tree-edit.ts"

/** No git repository at `start` or above it. */
export class RepositoryNotFound extends Data.TaggedError("RepositoryNotFound")<{ readonly start: string }> {
  override get message() {
    return `no git repository at ${this.start} or above it`
  }
}

/** The repository uses something we cannot read or write faithfully. `feature` as git's configuration names it. */
export class RepositoryUnsupported extends Data.TaggedError("RepositoryUnsupported")<{
  readonly gitDir: string
  readonly feature: string
}> {
  override get message() {
    return `unsupported git repository ${this.gitDir}: ${this.feature}`
  }
}

/** Git did not start, or answered with an exit code that is not one of its documented answers. */
export class GitFailed extends Data.TaggedError("GitFailed")<{
  readonly command: string
  readonly exitCode: number | null
  readonly stderr: string
}> {
  override get message() {
    return `${this.command} failed (${this.exitCode ?? "did not start"}): ${this.stderr.trim().split("\n")[0] ?? ""}`
  }
}

/** The store has no such object, or one of another type or malformed. */
export class ObjectUnreadable extends Data.TaggedError("ObjectUnreadable")<{
  readonly oid: Oid
  readonly reason: "missing" | "wrong_type" | "malformed"
}> {
  override get message() {
    return `git object ${this.oid}: ${this.reason.replace("_", " ")}`
  }
}

/** A file operation of ours failed; `code` is the errno name (ENOSPC, EIO, EACCES …). */
export class StoreFailed extends Data.TaggedError("StoreFailed")<{
  readonly operation: string
  readonly path: string
  readonly code: string
}> {
  override get message() {
    return `${this.operation} ${this.path}: ${this.code}`
  }
}

/** The ref was not at `expected` (null: absent). Nothing changed. */
export class RefMoved extends Data.TaggedError("RefMoved")<{
  readonly ref: string
  readonly expected: Oid | null
  readonly actual: Oid | null
}> {
  override get message() {
    return `${this.ref} moved: expected ${this.expected ?? "no commit"}, found ${this.actual ?? "no commit"}`
  }
}

/** The effects do not fit the tree. */
export class TreeEditRefused extends Data.TaggedError("TreeEditRefused")<{
  readonly problem: TreeEditProblem
}> {
  override get message() {
    return `tree edit refused: ${this.problem.kind.replaceAll("_", " ")} at ${this.problem.path}`
  }
}

/** What reading objects can end in. */
export type ReadError = GitFailed | ObjectUnreadable

/** The errno name of a thrown system error, `UNKNOWN` for anything else. */
export const errnoOf = (error: unknown): string => {
  const code = (error as { readonly code?: unknown } | null)?.code
  return typeof code === "string" ? code : "UNKNOWN"
}
