import { type Change, type ChangeRequest, payloadBytes } from "../domain/change-request.ts"
import { contentHash, type FileEffect, type FileState } from "../domain/files.ts"
import { isGitFile } from "../domain/path.ts"
import type { Policy } from "../domain/policy.ts"
import type { ConflictPacket } from "../domain/receipt.ts"
import { fail, ok, type Result } from "../domain/result.ts"
import { applyContent, applyPatch } from "../patch/apply.ts"
import { parsePatch } from "../patch/parse.ts"
import type { PatchProblem, Repair } from "../patch/problem.ts"
import { rebaseChange } from "../patch/rebase.ts"

/** What a change request does to the tree it meets. */
export interface Effects {
  readonly effects: readonly FileEffect[]
  readonly repairs: readonly (Repair & { readonly path: string })[]
  /** Paths whose content is a three-way merge: not what the cast's checksum determines. */
  readonly rebased: readonly string[]
  /** Every byte is what the cast's checksum determines: no repair, no merge, no patch of a file it does not name. */
  readonly exact: boolean
}

/** `conflict`: the tree is not the one the change was made for. `invalid`: it does not fit even its own base. */
export interface EffectsProblem {
  readonly kind: "conflict" | "invalid"
  readonly path: string
  readonly problem: PatchProblem
  readonly packet: ConflictPacket
}

export interface FileReader {
  /** The file as it is now; null when there is none. */
  readonly current: (path: string) => FileState | null
  /** The pre-image with this SHA-256, when it is stored somewhere; undefined otherwise. */
  readonly stored: (path: string, sha256: string) => FileState | undefined
  readonly paths: Policy["paths"]
}

/**
 * Computes the effects of a change request on the files it meets, all in memory; nothing is written. A file that is
 * not the declared pre-image is merged three-way over the stored one; there is no search for another place.
 */
export const computeEffects = (
  request: ChangeRequest,
  reader: FileReader,
): Result<Effects, EffectsProblem> => {
  const first = new Map<string, FileState | null>()
  const now = new Map<string, FileState | null>()
  const repairs: (Repair & { path: string })[] = []
  const rebased: string[] = []
  for (const change of request.changes) {
    const { path } = change
    if (!now.has(path)) {
      const current = reader.current(path)
      first.set(path, current)
      now.set(path, current)
    }
    const applied = applyChange(change, now.get(path) ?? null, reader)
    if (!applied.ok) return applied
    now.set(path, applied.value.after)
    for (const repair of applied.value.repairs) repairs.push({ ...repair, path })
    if (applied.value.rebased) rebased.push(path)
  }
  const effects = [...now].map(([path, after]) => ({ path, before: first.get(path) ?? null, after }))
  const exact = repairs.length === 0 && rebased.length === 0 && request.changes.every(isDetermined)
  return ok({ effects, repairs, rebased, exact })
}

/** Whether the change alone says what is there afterwards: a patch does only with the file it was made for. */
const isDetermined = ({ operation, patch, base_hash }: Change): boolean =>
  operation !== "update" || patch === undefined || base_hash !== undefined

interface Applied {
  readonly after: FileState | null
  readonly repairs: readonly Repair[]
  readonly rebased: boolean
}

const applyChange = (
  change: Change,
  current: FileState | null,
  reader: FileReader,
): Result<Applied, EffectsProblem> => {
  const problem = (kind: EffectsProblem["kind"], cause: PatchProblem) =>
    fail({ kind, path: change.path, problem: cause, packet: packetOf(change, current, cause) })
  const base = baseOf(change, current, reader)
  if (base === "unknown")
    return problem("conflict", {
      code: current === null ? "file_missing" : "corrupt_patch",
      message:
        current === null
          ? `${change.path} is no longer there.`
          : `${change.path} is not the file this change was made for, and that file is not stored.`,
      hint: "Make the change again on the current content; hyperion show prints both hashes.",
    })
  const theirs = applyTo(change, base, reader.paths)
  if (!theirs.ok) return problem("invalid", theirs.error)
  if (isGitFile(change.path) && theirs.value.after?.mode.startsWith("100") === false)
    return problem("invalid", {
      code: "mode_unsupported",
      message: `${change.path} is read by git and must stay a regular file.`,
      hint: "Send it as a regular file.",
    })
  // The same object, or the same bytes: nothing moved under the change.
  if (base === current) return ok({ ...theirs.value, rebased: false })
  const merged = rebaseChange({ path: change.path, base, ours: current, theirs: theirs.value.after })
  if (!merged.ok)
    return fail({
      kind: "conflict",
      path: change.path,
      problem: merged.error.problem,
      packet: merged.error.packet,
    })
  return ok({
    after: merged.value.after,
    repairs: theirs.value.repairs,
    rebased: merged.value.outcome === "rebased",
  })
}

/** The file a change was made for: `current` itself, or the stored pre-image; an add's is no file at all. */
const baseOf = (
  change: Change,
  current: FileState | null,
  reader: FileReader,
): FileState | null | "unknown" => {
  if (change.operation === "add") return null
  // Whoever declares no pre-image means the current one; a cast says so only where nothing was there to be hashed.
  if (change.base_hash === undefined) return current
  if (current !== null && contentHash(current) === change.base_hash) return current
  return reader.stored(change.path, change.base_hash) ?? "unknown"
}

const applyTo = (
  change: Change,
  base: FileState | null,
  paths: Policy["paths"],
): Result<{ after: FileState | null; repairs: readonly Repair[] }, PatchProblem> => {
  const payload = payloadBytes(change)
  if (payload === null)
    return fail({
      code: "no_patch",
      message: `The change of ${change.path} has no readable payload.`,
      hint: "Send exactly one of patch and content.",
    })
  const expected = { path: change.path, operation: change.operation, paths }
  if (change.patch === undefined) {
    const applied = applyContent(expected, change.operation === "delete" ? null : payload, base)
    return applied.ok ? ok({ after: applied.value, repairs: [] }) : applied
  }
  const parsed = parsePatch(payload, expected)
  return parsed.ok ? applyPatch(parsed.value, base) : parsed
}

const packetOf = (change: Change, current: FileState | null, problem: PatchProblem): ConflictPacket => ({
  schema_version: 1,
  path: change.path,
  code: problem.code,
  message: problem.message,
  hunk: problem.hunk ?? null,
  first_diverging_line: problem.line ?? null,
  base: { hash: change.base_hash ?? null, excerpt: problem.expected ?? "" },
  ours: { hash: current === null ? null : contentHash(current), excerpt: problem.found ?? "" },
  theirs: { hash: change.patch_hash, excerpt: "" },
})
