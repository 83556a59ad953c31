import type { FileMode, FileState } from "../domain/files.ts"
import { sha256Hex } from "../domain/hash.ts"
import type { ConflictPacket } from "../domain/receipt.ts"
import { fail, ok, type Result } from "../domain/result.ts"
import { maxFileBytes } from "./change.ts"
import type { LineConflict } from "./merge-lines.ts"
import { mergeLines } from "./merge-lines.ts"
import { excerpt, type PatchProblem, type PatchProblemCode } from "./problem.ts"
import { equalBytes } from "./text.ts"

/** `base`: the file the change was made for; `theirs`: the change applied to it; `ours`: the file as it is now. */
export interface RebaseInput {
  readonly path: string
  readonly base: FileState | null
  readonly ours: FileState | null
  readonly theirs: FileState | null
}

/** `exact`: ours is the base. `already_applied`: ours is the result, nothing is left to do. */
export interface Rebased {
  readonly after: FileState | null
  readonly outcome: "exact" | "rebased" | "already_applied"
}

export interface RebaseConflict {
  readonly problem: PatchProblem
  readonly packet: ConflictPacket
}

const excerptLines = 8
const binarySniffBytes = 8000

const isRegular = (file: FileState): boolean => file.mode === "100644" || file.mode === "100755"
const isBinary = (file: FileState): boolean => file.bytes.subarray(0, binarySniffBytes).includes(0)
const equalFiles = (left: FileState | null, right: FileState | null): boolean =>
  left === null || right === null
    ? left === right
    : left.mode === right.mode && equalBytes(left.bytes, right.bytes)

const side = (file: FileState | null, text: string) => ({
  hash: file === null ? null : sha256Hex(file.bytes),
  excerpt: text,
})

const conflict = (
  input: RebaseInput,
  code: PatchProblemCode,
  message: string,
  hint: string,
  lines?: LineConflict,
): Result<never, RebaseConflict> => {
  const at = lines === undefined ? {} : { hunk: lines.hunk, line: lines.base[0] + 1 }
  const excerpts = ([input.base, input.ours, input.theirs] as const).map((file, text) => {
    if (file === null || lines === undefined) return ""
    const { starts } = lines.texts[text]!
    const [from, to] = [lines.base, lines.ours, lines.theirs][text]!
    const shown = Array.from({ length: Math.min(to - from, excerptLines) }, (_, line) =>
      excerpt(file.bytes.subarray(starts[from + line]!, starts[from + line + 1]!)),
    )
    return (to - from > excerptLines ? [...shown, "…"] : shown).join("\n")
  })
  return fail({
    problem: { code, message, hint, ...at },
    packet: {
      schema_version: 1,
      path: input.path,
      code,
      message,
      hunk: at.hunk ?? null,
      first_diverging_line: at.line ?? null,
      base: side(input.base, excerpts[0]!),
      ours: side(input.ours, excerpts[1]!),
      theirs: side(input.theirs, excerpts[2]!),
    },
  })
}

/** Both sides differ from the base, and from each other unless they agree; regular modes have two values only. */
const mergeModes = (base: FileMode, ours: FileMode, theirs: FileMode): FileMode =>
  theirs === base ? ours : theirs

/**
 * Brings a change to a file that is no longer its base: three-way over the stored base, content and mode apart. Clean
 * results are those of `git merge-file`; anything else is a conflict.
 */
export const rebaseChange = (input: RebaseInput): Result<Rebased, RebaseConflict> => {
  const { path, base, ours, theirs } = input
  if (equalFiles(ours, theirs)) return ok({ after: ours, outcome: "already_applied" })
  if (equalFiles(ours, base)) return ok({ after: theirs, outcome: "exact" })
  if (base === null || ours === null || theirs === null)
    return base === null
      ? conflict(
          input,
          "added_differently",
          `${path} is added, but was added meanwhile with other content.`,
          "Send an update of the file as it is now.",
        )
      : ours === null
        ? conflict(
            input,
            "deleted_meanwhile",
            `${path} is changed, but was deleted meanwhile.`,
            "Drop the change, or send an add of the whole file.",
          )
        : conflict(
            input,
            "changed_meanwhile",
            `${path} is deleted, but was changed meanwhile.`,
            "Look at the file as it is now, then send the delete again.",
          )
  if (equalFiles(theirs, base)) return ok({ after: ours, outcome: "already_applied" })
  const regular = isRegular(base) && isRegular(ours) && isRegular(theirs)
  if (!regular)
    return conflict(
      input,
      "not_mergeable",
      `${path} is a link or a submodule, or became one, and was changed meanwhile.`,
      "Make the change again on the entry as it is now.",
    )
  const mode = mergeModes(base.mode, ours.mode, theirs.mode)
  const finish = (bytes: Uint8Array): Result<Rebased, RebaseConflict> => {
    const after = { mode, bytes }
    return ok({ after, outcome: equalFiles(after, ours) ? "already_applied" : "rebased" })
  }
  if (equalBytes(ours.bytes, base.bytes) || equalBytes(ours.bytes, theirs.bytes)) return finish(theirs.bytes)
  if (equalBytes(theirs.bytes, base.bytes)) return finish(ours.bytes)
  if (isBinary(base) || isBinary(ours) || isBinary(theirs))
    return conflict(
      input,
      "not_mergeable",
      `${path} is binary and was changed meanwhile.`,
      "Make the change again on the file as it is now.",
    )
  if (Math.max(base.bytes.length, ours.bytes.length, theirs.bytes.length) > maxFileBytes)
    return conflict(
      input,
      "too_large",
      `${path} is too large to merge.`,
      "Make the change again on the file.",
    )
  const merged = mergeLines(base.bytes, ours.bytes, theirs.bytes)
  if (merged.kind === "merged") return finish(merged.bytes)
  if (merged.kind === "too_large")
    return conflict(
      input,
      "too_large",
      `Merging ${path} would take too long: both sides changed too many lines.`,
      "Make the change again on the file as it is now.",
    )
  return conflict(
    input,
    "edits_overlap",
    `Line ${merged.base[0] + 1} of ${path} was changed meanwhile in another way.`,
    "Make the change again on the file as it is now.",
    merged,
  )
}
