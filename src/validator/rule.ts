import type { Assignment } from "../domain/assignment.ts"
import type { Change, ChangeRequest, Operation } from "../domain/change-request.ts"
import type { Policy } from "../domain/policy.ts"
import type { Violation } from "../domain/violation.ts"

/**
 * Parses one file's patch and says why it is not what the change declares, or `null`. The patch stage's parser answers;
 * the composition root joins the two. `paths` is the policy's: `posix` takes gitlinks as opaque entries.
 */
export type CheckPatch = (
  patch: Uint8Array,
  declared: { readonly path: string; readonly operation: Operation; readonly paths: Policy["paths"] },
) => Pick<Violation, "code" | "message" | "hint"> | null

/** A change that is well formed by itself, whatever is wrong around it. */
export interface ChangeAt {
  /** Its place in the document, like `changes[2]`. */
  readonly at: string
  readonly change: Change
  /** What `patch_hash` is taken over; `null` when there is not exactly one payload in a valid encoding. */
  readonly payload: Uint8Array | null
}

/** What a rule may look at. Fields that are not well formed are absent: the schema rule has already said so. */
export interface RuleContext {
  readonly document: unknown
  readonly fields: Partial<ChangeRequest>
  readonly changes: readonly ChangeAt[]
  /** How many changes the document lists, well formed or not. */
  readonly changeCount: number
  readonly policy: Policy
  readonly tasks: "known" | "open"
  /** The task's assignment; `null` when nobody knows the task. */
  readonly assignment: Assignment | null
  readonly checkPatch: CheckPatch
}

export type Rule = (context: RuleContext) => readonly Violation[]
