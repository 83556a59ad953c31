import { createHash } from "node:crypto"
import type { FileMode, FileState } from "../domain/files.ts"
import { fail, ok, type Result } from "../domain/result.ts"
import { type ExpectedChange, maxFileBytes } from "./change.ts"
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

/** What of the base an operation needs, and refuses. */
const checkBase = (expected: ExpectedChange, base: FileState | null): PatchProblem | null => {
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
  if (base?.mode === "160000")
    return {
      code: "gitlink_refused",
      message: `${expected.path} is a submodule.`,
      hint: "Submodules are not changed through Hyperion.",
    }
  if (base?.mode === "120000")
    return {
      code: "symlink_unsupported",
      message: `${expected.path} is a symbolic link.`,
      hint: "Change the file that it names instead.",
    }
  if ((base?.bytes.length ?? 0) > maxFileBytes)
    return {
      code: "too_large",
      message: `${expected.path} has ${base?.bytes.length} bytes; the limit is ${maxFileBytes}.`,
      hint: "Change it by hand.",
    }
  return null
}

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

const isBlob = (bytes: Uint8Array, oid: string): boolean =>
  createHash(oid.length > 40 ? "sha256" : "sha1")
    .update(`blob ${bytes.length}\0`)
    .update(bytes)
    .digest("hex")
    .startsWith(oid)

/** Applies exactly at the stated lines (or the repaired ones). `base` is the file the patch was made for. */
export const applyPatch = (
  patch: ParsedPatch,
  base: FileState | null,
): Result<AppliedPatch, PatchProblem> => {
  const refused = checkBase(patch, base)
  if (refused !== null) return fail(refused)
  if (base !== null && patch.oldMode !== null && patch.oldMode !== base.mode)
    return fail({
      code: "corrupt_patch",
      message: `${patch.path} has mode ${base.mode}, not ${patch.oldMode}.`,
      hint: "State the mode that the file has as `old mode`.",
      expected: patch.oldMode,
      found: base.mode,
    })
  const before = base?.bytes ?? nothing
  const isBaseOfPatch = () => patch.index !== null && isBlob(before, patch.index.oldOid)
  const places = placeHunks(patch.path, before, patch.hunks, isBaseOfPatch)
  if (!places.ok) return places
  const bytes = splice(before, places.value.placed)
  const done = (after: FileState | null) =>
    ok({
      after,
      repairs: [...patch.repairs, ...places.value.repairs],
      canonical: printPatch(patch, before, places.value.placed),
    })
  if (patch.operation === "delete") {
    if (bytes.length === 0) return done(null)
    return fail({
      code: "corrupt_patch",
      message: `${patch.path} is deleted, but the patch removes only a part of it.`,
      hint: "A delete removes every line that the file has.",
      hunk: 1,
      line: (patch.hunks[0]?.oldLines ?? 0) + 1,
    })
  }
  const mode: FileMode = patch.newMode ?? base?.mode ?? "100644"
  if (base !== null && base.mode === mode && equalBytes(bytes, before)) return noChange(patch.path)
  return done({ mode, bytes })
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
  if (content.length > maxFileBytes)
    return fail({
      code: "too_large",
      message: `The content has ${content.length} bytes; the limit is ${maxFileBytes}.`,
      hint: "Split the change.",
    })
  if (base !== null && equalBytes(content, base.bytes)) return noChange(expected.path)
  return ok({ mode: base?.mode ?? "100644", bytes: content })
}
