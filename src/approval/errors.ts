import * as Data from "effect/Data"

export type RefusalReason =
  | "agent_environment"
  | "no_terminal"
  | "yes_needs_unattended"
  | "signature_needed"
  | "self_approval"
  | "bad_name"
  | "not_sensitive"
  | "not_readable"
  | "wrong_digits"

/** A person's decision that may not be taken like this. Nothing was recorded. */
export class ApprovalRefused extends Data.TaggedError("ApprovalRefused")<{
  readonly reason: RefusalReason
  readonly detail: string
  /** What to do, exactly. */
  readonly hint: string
}> {
  override get message(): string {
    return this.detail
  }
}

/** What was shown is no longer what would land: it changed while the person was reading. Nothing was recorded. */
export class ApprovalOutdated extends Data.TaggedError("ApprovalOutdated")<{
  readonly entries: readonly number[]
}> {
  override get message(): string {
    const [what, verb] = this.entries.length === 1 ? ["entry", "is"] : ["entries", "are"]
    return `${what} ${this.entries.join(", ")} changed meanwhile: what was shown ${verb} no longer what would land`
  }
}
