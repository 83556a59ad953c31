import type { Operation } from "../domain/change-request.ts"
import type { FileMode } from "../domain/files.ts"
import { fail, ok, type Result } from "../domain/result.ts"
import { type BinaryPatch, parseBinary } from "./binary.ts"
import { type ExpectedChange, maxPatchBytes } from "./change.ts"
import { unwrap } from "./envelope.ts"
import { type IndexLine, parseHeader } from "./header.ts"
import { checkHeader } from "./header-check.ts"
import { parseHunks } from "./hunk.ts"
import { type Hunk, statedLine } from "./hunk-body.ts"
import { afterBlanks } from "./hunk-scan.ts"
import type { PatchProblem, Repair } from "./problem.ts"

/** One file's patch, well-formed in itself; whether it fits a base is for `applyPatch`. */
export interface ParsedPatch extends ExpectedChange {
  /** A stated change of mode; the new mode alone for an add. */
  readonly oldMode: FileMode | null
  readonly newMode: FileMode | null
  /** Mode the pre-image had when the patch was made, as far as the header says. */
  readonly statedMode: FileMode | null
  readonly index: IndexLine | null
  readonly hunks: readonly Hunk[]
  readonly binary: BinaryPatch | null
  readonly repairs: readonly Repair[]
}

const noPatch = (message: string): Result<never, PatchProblem> =>
  fail({
    code: "no_patch",
    message,
    hint: "Send a unified diff of this one file, or the whole file as `content`.",
  })

const sidesAgree = (operation: Operation, hunks: readonly Hunk[]): PatchProblem | null => {
  if (operation === "update") return null
  const disagreeing = hunks.findIndex((hunk) => (operation === "add" ? hunk.oldLines : hunk.newLines) > 0)
  if (disagreeing >= 0)
    return {
      code: "operation_mismatch",
      message:
        operation === "add"
          ? `Hunk ${disagreeing + 1} has lines of an old file, but the file is added.`
          : `Hunk ${disagreeing + 1} leaves lines behind, but the file is deleted.`,
      hint:
        operation === "add"
          ? "Start every line of a new file with `+`, blank ones too."
          : "Start every line of a deleted file with `-`, blank ones too.",
      hunk: disagreeing + 1,
    }
  if (hunks.length > 1)
    return {
      code: "malformed_patch",
      message: `A file that is ${operation === "add" ? "added" : "deleted"} has one hunk, not ${hunks.length}.`,
      hint: "Write all its lines as one hunk.",
      hunk: 2,
    }
  return null
}

/** Checks the stated order and puts right what follows from it: the new side's numbers, and 0 for a missing file. */
const numberHunks = (
  operation: Operation,
  hunks: readonly Hunk[],
  repairs: Repair[],
): Result<readonly Hunk[], PatchProblem> => {
  const numbered: Hunk[] = []
  let end = -1
  let shift = 0
  for (const [at, stated] of hunks.entries()) {
    const oldStart = operation === "add" ? 0 : operation === "delete" ? 1 : stated.oldStart
    const line = statedLine({ ...stated, oldStart })
    if (line !== null && line < end)
      return fail({
        code: "hunk_order",
        message: `Hunk ${at + 1} states line ${oldStart}, before the end of the hunk before it.`,
        hint: "Write the hunks in the order of the file, without overlap.",
        hunk: at + 1,
      })
    const newStart = line === null ? null : line + shift + (stated.newLines === 0 ? 0 : 1)
    if (stated.oldStart !== null && (stated.oldStart !== oldStart || stated.newStart !== newStart)) {
      if (repairs.every((repair) => repair.kind !== "recount" || repair.hunk !== at + 1))
        repairs.push({
          kind: "recount",
          detail: `stated -${stated.oldStart} +${stated.newStart}, is -${oldStart} +${newStart}`,
          hunk: at + 1,
        })
    }
    if (line !== null) end = line + stated.oldLines
    shift += stated.newLines - stated.oldLines
    numbered.push(stated.oldStart === oldStart ? stated : { ...stated, oldStart })
  }
  return ok(numbered)
}

/** Reads exactly one file's git-style diff. Pure, linear in its size, never throws. */
export const parsePatch = (
  patch: Uint8Array,
  expected: ExpectedChange,
): Result<ParsedPatch, PatchProblem> => {
  if (patch.length > maxPatchBytes)
    return fail({
      code: "too_large",
      message: `The patch has ${patch.length} bytes; the limit is ${maxPatchBytes}.`,
      hint: "Split the change.",
    })
  const unwrapped = unwrap(patch)
  if (!unwrapped.ok) return unwrapped
  const { bytes, from, end, unfinished } = unwrapped.value
  const header = parseHeader(bytes, from, end)
  if (!header.ok) return header
  const checked = checkHeader(header.value, expected)
  if (!checked.ok) return checked
  const packed = header.value.body === "binary" ? parseBinary(bytes, header.value.end, end) : null
  if (packed?.ok === false) return packed
  const binary = packed?.value.binary ?? null
  const hunksFrom = packed === null ? header.value.end : afterBlanks(bytes, packed.value.end, end)
  const body = parseHunks(bytes, hunksFrom, end, unfinished)
  if (!body.ok) return body
  const { oldMode, newMode, statedMode } = checked.value
  const repairs = [...unwrapped.value.repairs, ...checked.value.repairs, ...body.value.repairs]
  if (binary !== null && body.value.hunks.length > 0)
    return fail({
      code: "malformed_patch",
      message: "The patch is both binary and text.",
      hint: "Send one of them.",
    })
  if (body.value.hunks.length === 0 && binary === null) {
    const emptyFile = header.value.newFileMode !== null || header.value.deletedFileMode !== null
    if (!emptyFile && expected.operation !== "update")
      return noPatch("The patch has neither a hunk nor the header of an empty file.")
    if (expected.operation === "update" && oldMode === newMode) return noPatch("The patch changes nothing.")
  }
  const disagreement = sidesAgree(expected.operation, body.value.hunks)
  if (disagreement !== null) return fail(disagreement)
  const numbered = numberHunks(expected.operation, body.value.hunks, repairs)
  if (!numbered.ok) return numbered
  return ok({
    path: expected.path,
    operation: expected.operation,
    ...(expected.paths === undefined ? {} : { paths: expected.paths }),
    oldMode,
    newMode,
    statedMode,
    index: header.value.index,
    hunks: numbered.value,
    binary,
    repairs,
  })
}
