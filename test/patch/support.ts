import type { FileState } from "../../src/domain/files.ts"
import { applyPatch } from "../../src/patch/apply.ts"
import type { ExpectedChange } from "../../src/patch/change.ts"
import { parsePatch } from "../../src/patch/parse.ts"
import type { PatchProblem } from "../../src/patch/problem.ts"

export const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
export const text = (value: Uint8Array): string => Buffer.from(value).toString("utf8")
export const file = (content: string | Uint8Array, mode: FileState["mode"] = "100644"): FileState => ({
  mode,
  bytes: typeof content === "string" ? bytes(content) : content,
})

/** Parses and applies; the outcome is flat so that a test can say all of it at once. */
export const run = (
  patch: string | Uint8Array,
  base: FileState | null,
  operation: ExpectedChange["operation"] = "update",
  path = "f",
  paths: "portable" | "posix" = "portable",
) => {
  const parsed = parsePatch(typeof patch === "string" ? bytes(patch) : patch, { path, operation, paths })
  if (!parsed.ok) return { problem: parsed.error }
  const applied = applyPatch(parsed.value, base)
  if (!applied.ok) return { problem: applied.error }
  const { after, repairs, canonical } = applied.value
  return {
    after: after === null ? null : text(after.bytes),
    bytes: after?.bytes ?? null,
    mode: after?.mode ?? null,
    repairs: repairs.map((repair) => repair.kind),
    canonical,
  }
}

export const problemOf = (outcome: { readonly problem?: PatchProblem }): PatchProblem => {
  if (outcome.problem === undefined) throw new Error(`not refused: ${JSON.stringify(outcome)}`)
  return outcome.problem
}
