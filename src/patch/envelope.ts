import { fail, ok, type Result } from "../domain/result.ts"
import { isFilePair, isHunkHeader } from "./header.ts"
import { afterBlanks } from "./hunk-scan.ts"
import type { PatchProblem, Repair } from "./problem.ts"
import { concatBytes, latin1, lineEnd, startsWith } from "./text.ts"

const openingFence = /^```[\w-]*[ \t\r]*$/
const closingFence = /^```[ \t\r]*$/
const longestFence = 40

/** Start of the last line of `bytes[from, end)` that is not blank. */
const lastLine = (bytes: Uint8Array, from: number, end: number): number => {
  let last = end
  while (last > from && (bytes[last - 1] === 10 || bytes[last - 1] === 13)) last -= 1
  return last <= from ? from : Math.max(from, bytes.lastIndexOf(10, last - 1) + 1)
}

const fenceAt = (bytes: Uint8Array, from: number, end: number, fence: RegExp): boolean =>
  fence.test(latin1(bytes, from, Math.min(end, from + longestFence)).split("\n", 1)[0] ?? "")

const startsDiff = (bytes: Uint8Array, from: number, end: number): boolean => {
  for (let at = from; at < end; at = lineEnd(bytes, at, end))
    if (
      startsWith(bytes, at, end, "diff --git ") ||
      isHunkHeader(bytes, at, end) ||
      isFilePair(bytes, at, end)
    )
      return true
  return false
}

/** Takes off what stands around a patch: blank lines, a code fence; adds the final newline. */
export const unwrap = (
  patch: Uint8Array,
): Result<
  {
    readonly bytes: Uint8Array
    readonly from: number
    readonly end: number
    /** Whether the final newline was missing. */
    readonly unfinished: boolean
    readonly repairs: readonly Repair[]
  },
  PatchProblem
> => {
  const repairs: Repair[] = []
  let from = afterBlanks(patch, 0, patch.length)
  let end = patch.length
  if (from > 0) repairs.push({ kind: "stray_blank_lines", detail: "blank lines before the patch" })
  if (startsWith(patch, from, end, "```") && fenceAt(patch, from, end, openingFence)) {
    const inside = lineEnd(patch, from, end)
    const closing = lastLine(patch, inside, end)
    if (!fenceAt(patch, closing, end, closingFence))
      return fail({
        code: "malformed_patch",
        message: "The code fence around the patch is not closed.",
        hint: "It looks cut off: send all of it, without a fence.",
      })
    repairs.push({ kind: "code_fence", detail: "the patch stood in a code fence" })
    from = afterBlanks(patch, inside, closing)
    end = closing
  }
  if (!startsDiff(patch, from, end))
    return fail({
      code: "no_patch",
      message: end > from ? "The text is not a patch." : "The patch is empty.",
      hint: "Send a unified diff of this one file, or the whole file as `content`.",
    })
  if (patch[end - 1] === 10) return ok({ bytes: patch, from, end, unfinished: false, repairs })
  repairs.push({ kind: "final_newline", detail: "the patch did not end with a newline" })
  const bytes = concatBytes([patch.subarray(from, end), Uint8Array.of(10)])
  return ok({ bytes, from: 0, end: bytes.length, unfinished: true, repairs })
}
