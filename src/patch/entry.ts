import type { FileMode, FileState } from "../domain/files.ts"
import { isBlob } from "./blob-id.ts"
import { type ExpectedChange, maxFileBytes } from "./change.ts"
import type { ParsedPatch } from "./parse.ts"
import { excerpt, type PatchProblem } from "./problem.ts"
import { latin1 } from "./text.ts"

const maxTargetBytes = 4095
const gitlink = /^Subproject commit ([0-9a-f]{40}|[0-9a-f]{64})\n?$/

export const gitlinkRefused = (path: string): PatchProblem => ({
  code: "gitlink_refused",
  message: `${path} is a submodule.`,
  hint: "Submodules are not changed through Hyperion, unless the policy says `paths: posix`.",
})

export const tooLargeFile = (path: string, size: number): PatchProblem => ({
  code: "too_large",
  message: `${path} has ${size} bytes; the limit is ${maxFileBytes}.`,
  hint: "Change it outside of Hyperion.",
})

/** What an operation refuses about the file it meets. */
export const checkBase = (expected: ExpectedChange, base: FileState | null): PatchProblem | null => {
  if (expected.operation === "add" && base !== null)
    return {
      code: "file_exists",
      message: `${expected.path} is added but exists already.`,
      hint: "Send an update of the file as it is.",
    }
  if (expected.operation !== "add" && base === null)
    return {
      code: "file_missing",
      message: `${expected.path} does not exist.`,
      hint: expected.operation === "update" ? "Send an add, or correct the path." : "Drop the change.",
    }
  if (base?.mode === "160000" && expected.paths !== "posix") return gitlinkRefused(expected.path)
  if (base !== null && base.bytes.length > maxFileBytes) return tooLargeFile(expected.path, base.bytes.length)
  return null
}

const kinds: Readonly<Record<FileMode, string>> = {
  "100644": "a file",
  "100755": "a file",
  "120000": "a symbolic link",
  "160000": "a submodule",
}

/** The modes a patch was made for against the mode of the base. */
export const checkMode = (patch: ParsedPatch, base: FileState | null): PatchProblem | null => {
  if (base === null) return null
  const stated = patch.statedMode ?? "100644"
  if (kinds[stated] !== kinds[base.mode])
    return {
      code: "corrupt_patch",
      message: `${patch.path} is ${kinds[base.mode]}; the patch is for ${kinds[stated]}.`,
      hint: "Generate the patch with git, with its `index` line: the mode stands there.",
      expected: stated,
      found: base.mode,
    }
  if (patch.oldMode !== null && patch.oldMode !== base.mode)
    return {
      code: "corrupt_patch",
      message: `${patch.path} has mode ${base.mode}, not ${patch.oldMode}.`,
      hint: "State the mode that the file has as `old mode`.",
      expected: patch.oldMode,
      found: base.mode,
    }
  return null
}

/** A link has a target, a submodule one commit; a binary patch states the ids of both sides. */
export const checkResult = (
  patch: ParsedPatch,
  before: FileState | null,
  after: FileState | null,
): PatchProblem | null => {
  if (after?.mode === "120000") {
    const { bytes } = after
    if (bytes.length === 0 || bytes.length > maxTargetBytes || bytes.includes(0))
      return {
        code: "symlink_unsupported",
        message: `The target of ${patch.path} is empty, too long, or has a NUL byte.`,
        hint: "A link's content is its target, without a newline.",
        found: excerpt(bytes),
      }
  }
  if (after?.mode === "160000" && !gitlink.test(latin1(after.bytes)))
    return {
      code: "malformed_patch",
      message: `The content of the submodule ${patch.path} is no commit.`,
      hint: "It is one line: `Subproject commit` and the full id.",
      found: excerpt(after.bytes),
    }
  if (patch.binary === null || patch.index === null) return null
  const side = !isBlob(before?.bytes ?? null, patch.index.oldOid)
    ? "the file that the binary patch was made for"
    : !isBlob(after?.bytes ?? null, patch.index.newOid)
      ? "what the `index` line says comes out"
      : null
  return side === null
    ? null
    : {
        code: "corrupt_patch",
        message: `${patch.path} is not ${side}.`,
        hint: "Generate the patch again from the current file.",
      }
}
