import type { FileMode } from "../domain/files.ts"
import { fail, ok, type Result } from "../domain/result.ts"
import { excerpt, type PatchProblem } from "./problem.ts"
import { unquote } from "./quote.ts"
import { latin1, lineEnd, startsWith } from "./text.ts"

/** The `index old..new mode` line; blob ids may be abbreviated. */
export interface IndexLine {
  readonly oldOid: string
  readonly newOid: string
  readonly mode: FileMode | null
}

/** What stands before the first hunk. `end` is the offset of the first hunk or binary body. */
export interface FileHeader {
  readonly git: boolean
  /** Every name the header states, prefix included, with the side it stands on. */
  readonly names: readonly { readonly side: "a" | "b"; readonly name: Uint8Array }[]
  /** The text of a `diff --git` line whose two names differ or cannot be told apart. */
  readonly unequalNames: string | null
  readonly oldIsNull: boolean
  readonly newIsNull: boolean
  readonly hasSides: boolean
  readonly newFileMode: FileMode | null
  readonly deletedFileMode: FileMode | null
  readonly oldMode: FileMode | null
  readonly newMode: FileMode | null
  readonly index: IndexLine | null
  readonly body: "hunks" | "binary" | "none"
  readonly end: number
}

const modes: Readonly<Record<string, FileMode>> = {
  "100644": "100644",
  "100755": "100755",
  "120000": "120000",
  "160000": "160000",
}
const indexLine = /^index ([0-9a-f]{4,64})\.\.([0-9a-f]{4,64})(?: ([0-7]{6}))?$/
const modeLine = /^(old mode|new mode|new file mode|deleted file mode) (.*)$/
const space = 32

/** Whether a hunk header starts at `from`: `@@` and then a space or the line's end. */
export const isHunkHeader = (bytes: Uint8Array, from: number, end: number): boolean => {
  if (bytes[from] !== 64 || bytes[from + 1] !== 64 || from + 2 > end) return false
  const next = from + 2 < end ? bytes[from + 2] : 10
  return next === space || next === 10 || next === 13
}

/** Whether `--- `, `+++ ` and a hunk header follow each other at `from`: another file of a plain diff. */
export const isFilePair = (bytes: Uint8Array, from: number, end: number): boolean => {
  if (!startsWith(bytes, from, end, "--- ")) return false
  const second = lineEnd(bytes, from, end)
  if (!startsWith(bytes, second, end, "+++ ")) return false
  return isHunkHeader(bytes, lineEnd(bytes, second, end), end)
}

const sideName = (line: Uint8Array): Uint8Array | null => {
  if (line[0] === 34) return unquote(line, 0)?.name ?? null
  const tab = line.indexOf(9)
  return tab < 0 ? line : line.subarray(0, tab)
}

/** Both names of `diff --git`; unquoted ones can only be told apart because they are equal. */
const gitNames = (rest: Uint8Array): readonly [Uint8Array, Uint8Array] | null => {
  if (rest[0] === 34) {
    const first = unquote(rest, 0)
    if (first === null || rest[first.end] !== space) return null
    const second = sideName(rest.subarray(first.end + 1))
    return second === null ? null : [first.name, second]
  }
  const middle = (rest.length - 1) / 2
  if (!Number.isInteger(middle) || rest[middle] !== space) return null
  const first = rest.subarray(0, middle)
  const second = rest.subarray(middle + 1)
  return first.every((byte, at) => at === 0 || byte === second[at]) ? [first, second] : null
}

const malformed = (message: string, hint: string, found?: Uint8Array): Result<never, PatchProblem> =>
  fail({
    code: "malformed_patch",
    message,
    hint,
    ...(found === undefined ? {} : { found: excerpt(found) }),
  })

export const multipleFiles: PatchProblem = {
  code: "multiple_files",
  message: "The patch changes more than one file.",
  hint: "Write one change with its own patch for each file.",
}

const binaryWithoutContent: PatchProblem = {
  code: "binary_unsupported",
  message: "The patch says that binary files differ but does not carry their content.",
  hint: "Generate it with `git diff --binary`, or send the whole file as `content`.",
}

/** Reads the file header of `bytes[from, end)`. */
export const parseHeader = (
  bytes: Uint8Array,
  from: number,
  end: number,
): Result<FileHeader, PatchProblem> => {
  const names: { side: "a" | "b"; name: Uint8Array }[] = []
  const found: Record<string, FileMode> = {}
  let unequalNames: string | null = null
  let git = false
  let oldIsNull = false
  let newIsNull = false
  let hasSides = false
  let index: IndexLine | null = null
  let renamed = false
  let body: FileHeader["body"] = "none"
  let at = from

  while (at < end) {
    const next = lineEnd(bytes, at, end)
    const line = bytes.subarray(at, bytes[next - 1] === 10 ? next - 1 : next)
    if (isHunkHeader(bytes, at, end)) {
      body = "hunks"
      break
    }
    const text = latin1(line, 0, Math.min(line.length, 200))
    if (text.startsWith("diff --git ")) {
      if (at > from) return fail(multipleFiles)
      git = true
      const both = gitNames(line.subarray(11))
      if (both === null) unequalNames = excerpt(line.subarray(11))
      else names.push({ side: "a", name: both[0] }, { side: "b", name: both[1] })
    } else if (text.startsWith("--- ")) {
      if (hasSides) return fail(multipleFiles)
      hasSides = true
      const plus = lineEnd(bytes, next, end)
      if (!startsWith(bytes, next, end, "+++ "))
        return malformed("`---` is not followed by `+++`.", "Write both file lines of the header.", line)
      const newLine = bytes.subarray(next + 4, bytes[plus - 1] === 10 ? plus - 1 : plus)
      const oldName = sideName(line.subarray(4))
      const newName = sideName(newLine)
      if (oldName === null || newName === null)
        return malformed("A quoted name in the header is not closed.", "Quote names as git does.", line)
      oldIsNull = latin1(oldName) === "/dev/null"
      newIsNull = latin1(newName) === "/dev/null"
      if (!oldIsNull) names.push({ side: "a", name: oldName })
      if (!newIsNull) names.push({ side: "b", name: newName })
      at = plus
      continue
    } else if (!git) {
      return malformed(
        "There is text before the patch.",
        "Send only the diff: its first line is `diff --git`, `---` or `@@`.",
        line,
      )
    } else if (text === "GIT binary patch") {
      body = "binary"
      at = next
      break
    } else if (text.startsWith("Binary files ")) {
      return fail(binaryWithoutContent)
    } else if (/^(rename|copy) (from|to) /.test(text)) {
      renamed = true
    } else if (text.startsWith("index ")) {
      const parts = indexLine.exec(text)
      if (parts === null)
        return malformed("The `index` line cannot be read.", "Copy it as git wrote it.", line)
      index = { oldOid: parts[1]!, newOid: parts[2]!, mode: modes[parts[3] ?? ""] ?? null }
    } else if (!/^(dis)?similarity index \d+%$/.test(text)) {
      const parts = modeLine.exec(text)
      if (parts === null)
        return malformed("A line of the file header is not known.", "Write the header as git does.", line)
      const mode = modes[parts[2]!]
      if (mode === undefined)
        return fail({
          code: "mode_unsupported",
          message: `Mode ${excerpt(line.subarray(parts[1]!.length + 1))} is not one a file can have.`,
          hint: "Use 100644, 100755 or 120000.",
        })
      found[parts[1]!] = mode
    }
    at = next
  }
  if (renamed)
    return fail({
      code: "rename_unsupported",
      message: "The patch renames or copies a file.",
      hint: "Write a delete of the old path and an add of the new one (`git diff --no-renames`).",
    })
  return ok({
    git,
    names,
    unequalNames,
    oldIsNull,
    newIsNull,
    hasSides,
    newFileMode: found["new file mode"] ?? null,
    deletedFileMode: found["deleted file mode"] ?? null,
    oldMode: found["old mode"] ?? null,
    newMode: found["new mode"] ?? null,
    index,
    body,
    end: at,
  })
}
