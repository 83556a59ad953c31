import type { Operation } from "../domain/change-request.ts"
import type { FileMode } from "../domain/files.ts"
import { fail, ok, type Result } from "../domain/result.ts"
import type { ExpectedChange } from "./change.ts"
import { gitlinkRefused } from "./entry.ts"
import type { FileHeader } from "./header.ts"
import { excerpt, type PatchProblem, type Repair } from "./problem.ts"
import { hasPrefix } from "./quote.ts"
import { encode, equalBytes } from "./text.ts"

const statedOperation = (header: FileHeader): Operation | null => {
  if (header.newFileMode !== null || header.oldIsNull) return "add"
  if (header.deletedFileMode !== null || header.newIsNull) return "delete"
  return header.git || header.hasSides ? "update" : null
}

const isRegular = (mode: FileMode | null): boolean => mode === "100644" || mode === "100755"

const contradiction = (header: FileHeader): string | null => {
  const adds = header.newFileMode !== null || header.oldIsNull
  const deletes = header.deletedFileMode !== null || header.newIsNull
  if (adds && deletes) return "The header both adds and deletes the file."
  if (header.newFileMode !== null && header.hasSides && !header.oldIsNull)
    return "A new file's old side is not /dev/null."
  if (header.deletedFileMode !== null && header.hasSides && !header.newIsNull)
    return "A deleted file's new side is not /dev/null."
  if ((header.oldMode === null) !== (header.newMode === null)) return "A change of mode needs both modes."
  if (header.oldMode !== null && (adds || deletes)) return "A file added or deleted has no change of mode."
  return null
}

/** a/ and b/ are stripped; names without them are taken only when no name has them. */
const namesAgree = (header: FileHeader, path: Uint8Array): "equal" | "unprefixed" | Uint8Array => {
  const prefixed = header.names.filter(({ side, name }) => hasPrefix(name, side))
  if (prefixed.length === 0)
    return header.names.find(({ name }) => !equalBytes(name, path))?.name ?? "unprefixed"
  const wrong = header.names.find(
    ({ side, name }) => !(hasPrefix(name, side) && equalBytes(name.subarray(2), path)),
  )
  return wrong?.name ?? "equal"
}

/** Holds the header against what the change says it is. */
export const checkHeader = (
  header: FileHeader,
  expected: ExpectedChange,
): Result<
  {
    readonly oldMode: FileMode | null
    readonly newMode: FileMode | null
    readonly statedMode: FileMode | null
    readonly repairs: readonly Repair[]
  },
  PatchProblem
> => {
  const repairs: Repair[] = []
  const contradictory = contradiction(header)
  if (contradictory !== null)
    return fail({ code: "malformed_patch", message: contradictory, hint: "Write the header as git does." })
  const names = namesAgree(header, encode(expected.path))
  const wrong = header.unequalNames ?? (typeof names === "string" ? null : excerpt(names))
  if (wrong !== null)
    return fail({
      code: "path_mismatch",
      message: `The patch is for another path than ${excerpt(encode(expected.path))}.`,
      hint: wrong.endsWith("\\u{d}")
        ? "Its header lines end with CR: write them with LF only."
        : "Name the change's own path in the header, as a/PATH and b/PATH.",
      expected: excerpt(encode(expected.path)),
      found: wrong,
    })
  const stated = statedOperation(header)
  if (stated !== null && stated !== expected.operation)
    return fail({
      code: "operation_mismatch",
      message: `The header says ${stated}, the change says ${expected.operation}.`,
      hint: "An added file is `--- /dev/null`, a deleted one `+++ /dev/null`; an update names the file on both sides.",
      expected: expected.operation,
      found: stated,
    })
  if (!header.git && !header.hasSides)
    repairs.push({ kind: "file_header", detail: "file header made from the path" })
  else if (header.body === "hunks" && !header.hasSides)
    repairs.push({ kind: "file_header", detail: "`---` and `+++` made from the path" })
  else if (names === "unprefixed")
    repairs.push({ kind: "file_header", detail: "a/ and b/ put before the path" })

  const newMode = expected.operation === "add" ? (header.newFileMode ?? "100644") : header.newMode
  const statedMode = header.deletedFileMode ?? header.oldMode ?? header.index?.mode ?? null
  const modes = [header.oldMode, newMode, statedMode]
  if (modes.includes("160000") && expected.paths !== "posix") return fail(gitlinkRefused(expected.path))
  if (header.oldMode !== null && !(isRegular(header.oldMode) && isRegular(newMode)))
    return fail({
      code: "mode_unsupported",
      message: `The patch turns ${header.oldMode} into ${newMode}.`,
      hint: "Another type of file is a delete of the old one and an add of the new one.",
    })
  if (header.body === "binary" && (header.index === null || header.index.oldOid.length < 40))
    return fail({
      code: "malformed_patch",
      message: "A binary patch needs an `index` line with full ids.",
      hint: "Generate it with `git diff --binary --full-index`.",
    })
  return ok({ oldMode: header.oldMode, newMode, statedMode, repairs })
}
