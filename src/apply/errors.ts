import * as Data from "effect/Data"
import type { PlanProblem } from "./plan.ts"

/** The steps do not make a plan on this base. */
export class PlanRefused extends Data.TaggedError("PlanRefused")<{ readonly problem: PlanProblem }> {
  override get message() {
    return this.problem.message
  }
}

export type BlockReason =
  | "dirty"
  | "staged"
  | "untracked_in_the_way"
  | "operation_in_progress"
  | "index_locked"
  | "index_unsupported"
  | "attribute_unsupported"
  | "symlink_unsupported"
  | "symlinked_parent"
  | "special_file"
  | "checked_out_twice"
  | "checked_out_elsewhere"
  | "worktree_missing"

/** The operator's working tree is in the way. Nothing changed; the landing can be tried again. */
export class LandingBlocked extends Data.TaggedError("LandingBlocked")<{
  readonly reason: BlockReason
  /** Relative to the working tree's root; absolute for `worktree_missing`, `index_locked` and checkouts. */
  readonly paths: readonly string[]
  readonly detail: string
}> {
  override get message() {
    const [first, ...rest] = this.paths
    const where = first === undefined ? "" : `: ${first}${rest.length > 0 ? ` and ${rest.length} more` : ""}`
    return `blocked: ${this.reason.replaceAll("_", " ")}${this.detail ? ` (${this.detail})` : ""}${where}`
  }
}

/** The branch is no longer at the plan's base. Nothing changed. */
export class BaseMoved extends Data.TaggedError("BaseMoved")<{
  readonly branch: string
  readonly expected: string | null
  readonly actual: string | null
}> {
  override get message() {
    return `${this.branch} moved from ${this.expected ?? "unborn"} to ${this.actual ?? "unborn"}`
  }
}

/**
 * An ordinary error. `undone`: everything is as it was, except the paths in `left`, where somebody else wrote
 * meanwhile: their bytes stay. `needs_recovery`: the journal's record is open and the index lock may be held.
 */
export class LandingFailed extends Data.TaggedError("LandingFailed")<{
  readonly operation: string
  readonly path: string | null
  /** An errno name, or what the failure underneath says. */
  readonly code: string
  readonly outcome: "undone" | "needs_recovery"
  readonly left: readonly string[]
}> {
  override get message() {
    const kept = this.left.length > 0 ? `; kept as somebody else wrote them: ${this.left.join(", ")}` : ""
    return `landing failed at ${this.operation}${this.path ? ` ${this.path}` : ""}: ${this.code} (${this.outcome.replace("_", " ")})${kept}`
  }
}
