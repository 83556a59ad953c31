import { type Change, type ChangeRequest, payloadBytes } from "../domain/change-request.ts"
import type { FileEffect, FileState } from "../domain/files.ts"
import { sha256Hex } from "../domain/hash.ts"
import type { ConflictPacket } from "../domain/receipt.ts"
import { fail, ok, type Result } from "../domain/result.ts"
import { applyContent, applyPatch } from "../patch/apply.ts"
import { parsePatch } from "../patch/parse.ts"
import type { PatchProblem, Repair } from "../patch/problem.ts"

/** What a change request does to the tree it meets. */
export interface Effects {
  readonly effects: readonly FileEffect[]
  readonly repairs: readonly (Repair & { readonly path: string })[]
  /** Every patch applied as written: the cast's checksum then determines every resulting byte. */
  readonly exact: boolean
}

/** `conflict`: the tree is not the one the change was made for. `invalid`: it does not fit even its own base. */
export interface EffectsProblem {
  readonly kind: "conflict" | "invalid"
  readonly path: string
  readonly problem: PatchProblem
  readonly packet: ConflictPacket
}

/**
 * Computes the effects of a change request on the files it meets, all in memory. `read` gives the current file or null;
 * nothing is written. A file that is not the declared pre-image is a conflict: there is no search for another place.
 */
export const computeEffects = (
  request: ChangeRequest,
  read: (path: string) => FileState | null,
): Result<Effects, EffectsProblem> => {
  const first = new Map<string, FileState | null>()
  const now = new Map<string, FileState | null>()
  const repairs: (Repair & { path: string })[] = []
  for (const change of request.changes) {
    const { path } = change
    if (!now.has(path)) {
      const current = read(path)
      first.set(path, current)
      now.set(path, current)
    }
    const applied = applyChange(change, now.get(path) ?? null)
    if (!applied.ok) return applied
    now.set(path, applied.value.after)
    for (const repair of applied.value.repairs) repairs.push({ ...repair, path })
  }
  const effects = [...now].map(([path, after]) => ({ path, before: first.get(path) ?? null, after }))
  return ok({ effects, repairs, exact: repairs.length === 0 })
}

const applyChange = (
  change: Change,
  current: FileState | null,
): Result<{ after: FileState | null; repairs: readonly Repair[] }, EffectsProblem> => {
  const problem = (kind: EffectsProblem["kind"], cause: PatchProblem) =>
    fail({ kind, path: change.path, problem: cause, packet: packetOf(change, current, cause) })
  const currentHash = current === null ? undefined : sha256Hex(current.bytes)
  const meetsItsBase = change.base_hash === undefined || change.base_hash === currentHash
  if (change.operation !== "add" && !meetsItsBase)
    return problem("conflict", {
      code: current === null ? "file_missing" : "corrupt_patch",
      message:
        current === null
          ? `${change.path} is no longer there.`
          : `${change.path} is not the file this change was made for.`,
      hint: "Make the change again on the current content; hyperion show prints both hashes.",
    })
  const payload = payloadBytes(change)
  if (payload === null)
    return problem("invalid", {
      code: "no_patch",
      message: `The change of ${change.path} has no readable payload.`,
      hint: "Send exactly one of patch and content.",
    })
  if (change.patch === undefined) {
    const applied = applyContent(change, change.operation === "delete" ? null : payload, current)
    if (applied.ok) return ok({ after: applied.value, repairs: [] })
    return problem(isAboutPresence(applied.error) ? "conflict" : "invalid", applied.error)
  }
  const parsed = parsePatch(payload, change)
  if (!parsed.ok) return problem("invalid", parsed.error)
  const applied = applyPatch(parsed.value, current)
  if (applied.ok) return ok(applied.value)
  return problem(isAboutPresence(applied.error) ? "conflict" : "invalid", applied.error)
}

/** A file that is there, or is not, against what the change expects: the base moved. */
const isAboutPresence = (problem: PatchProblem): boolean =>
  problem.code === "file_exists" || problem.code === "file_missing"

const packetOf = (change: Change, current: FileState | null, problem: PatchProblem): ConflictPacket => ({
  schema_version: 1,
  path: change.path,
  code: problem.code,
  message: problem.message,
  hunk: problem.hunk ?? null,
  first_diverging_line: problem.line ?? null,
  base: { hash: change.base_hash ?? null, excerpt: problem.expected ?? "" },
  ours: { hash: current === null ? null : sha256Hex(current.bytes), excerpt: problem.found ?? "" },
  theirs: { hash: change.patch_hash, excerpt: "" },
})
