import type { FileState } from "../domain/files.ts"
import { fail, ok, type Result } from "../domain/result.ts"
import type { BinaryPatch } from "./binary.ts"
import { isBlob } from "./blob-id.ts"
import { type ExpectedChange, maxFileBytes } from "./change.ts"
import { applyDelta } from "./delta.ts"
import { checkBase, checkMode, checkResult, tooLargeFile } from "./entry.ts"
import type { ParsedPatch } from "./parse.ts"
import { type PlacedHunk, placeHunks } from "./place.ts"
import { printPatch } from "./print.ts"
import type { PatchProblem, Repair } from "./problem.ts"
import { equalBytes } from "./text.ts"

/** `canonical` is the patch as `git diff` would write it, repairs included; `repairs` are all, the parser's first. */
export interface AppliedPatch {
  readonly after: FileState | null
  readonly repairs: readonly Repair[]
  readonly canonical: Uint8Array
}

const nothing = new Uint8Array(0)

const noChange = (path: string): Result<never, PatchProblem> =>
  fail({
    code: "no_patch",
    message: `The change leaves ${path} as it is.`,
    hint: "Drop the change, or send what is to be different.",
  })

const unpack = (binary: BinaryPatch, before: Uint8Array): Uint8Array | null =>
  binary.kind === "literal" ? binary.data : applyDelta(before, binary.data)

const splice = (base: Uint8Array, placed: readonly PlacedHunk[]): Uint8Array => {
  let length = base.length
  for (const { hunk } of placed) length += hunk.post.length - hunk.pre.length
  const after = new Uint8Array(length)
  let read = 0
  let write = 0
  for (const { hunk, from, to } of placed) {
    after.set(base.subarray(read, from), write)
    write += from - read
    after.set(hunk.post, write)
    write += hunk.post.length
    read = to
  }
  after.set(base.subarray(read), write)
  return after
}

/** Applies exactly at the stated lines (or the repaired ones). `base` is the file the patch was made for. */
export const applyPatch = (
  patch: ParsedPatch,
  base: FileState | null,
): Result<AppliedPatch, PatchProblem> => {
  const refused = checkBase(patch, base) ?? checkMode(patch, base)
  if (refused !== null) return fail(refused)
  const before = base?.bytes ?? nothing
  const { index } = patch
  const places = placeHunks(
    patch.path,
    before,
    patch.hunks,
    () => index !== null && isBlob(before, index.oldOid),
  )
  if (!places.ok) return places
  const bytes = patch.binary === null ? splice(before, places.value.placed) : unpack(patch.binary, before)
  if (bytes === null)
    return fail({
      code: "corrupt_patch",
      message: `The binary delta was not made for ${patch.path} as it is.`,
      hint: "Generate the patch again from the current file.",
    })
  if (bytes.length > maxFileBytes) return fail(tooLargeFile(patch.path, bytes.length))
  if (patch.operation === "delete" && bytes.length > 0)
    return fail({
      code: "corrupt_patch",
      message: `${patch.path} is deleted, but the patch removes only a part of it.`,
      hint: "A delete removes every line that the file has.",
      hunk: 1,
      line: (patch.hunks[0]?.oldLines ?? 0) + 1,
    })
  const after = patch.operation === "delete" ? null : { mode: patch.newMode ?? base?.mode ?? "100644", bytes }
  const wrong = checkResult(patch, base, after)
  if (wrong !== null) return fail(wrong)
  if (base !== null && base.mode === after?.mode && equalBytes(bytes, before)) return noChange(patch.path)
  return ok({
    after,
    repairs: [...patch.repairs, ...places.value.repairs],
    canonical: printPatch(patch, before, places.value.placed),
  })
}

/** A change that carries the whole new file (null for a delete). The base's mode is kept; a new file is 100644. */
export const applyContent = (
  expected: ExpectedChange,
  content: Uint8Array | null,
  base: FileState | null,
): Result<FileState | null, PatchProblem> => {
  const refused = checkBase(expected, base)
  if (refused !== null) return fail(refused)
  if (expected.operation === "delete") return ok(null)
  if (content === null)
    return fail({
      code: "no_patch",
      message: `The change of ${expected.path} has no content.`,
      hint: "Send a patch or the whole file.",
    })
  if (base !== null && base.mode !== "100644" && base.mode !== "100755")
    return fail({
      code: "symlink_unsupported",
      message: `${expected.path} is no regular file: whole content cannot replace it.`,
      hint: "Send a patch of its target, or a delete and then an add.",
    })
  if (content.length > maxFileBytes) return fail(tooLargeFile(expected.path, content.length))
  if (base !== null && equalBytes(content, base.bytes)) return noChange(expected.path)
  return ok({ mode: base?.mode ?? "100644", bytes: content })
}
