import * as v from "valibot"
import { contentHash, type FileEffect } from "./files.ts"
import { GuardOutput } from "./guard.ts"
import { Sha256Hex } from "./ids.ts"
import { parseDocument } from "./parse-document.ts"
import { fail, ok, type Result } from "./result.ts"

/** What landing does to one path. `mode` and `sha256` are of the content afterwards; null when it is deleted. */
export const VerifiedEffect = v.object({
  path: v.string(),
  operation: v.picklist(["add", "update", "delete"]),
  mode: v.nullable(v.picklist(["100644", "100755", "120000", "160000"])),
  sha256: v.nullable(Sha256Hex),
})
export type VerifiedEffect = v.InferOutput<typeof VerifiedEffect>

/** The evidence kept beside a proven entry, as JSON in `verification.body`: what an approver is shown. */
export const VerificationBody = v.object({
  effects: v.array(VerifiedEffect),
  /** Paths an approval must name, by the policy of the base it was proven on. */
  sensitive: v.array(v.string()),
  repairs: v.array(v.looseObject({ path: v.string(), kind: v.string(), detail: v.string() })),
  /** As the receipt will say: unguarded, repaired, relocated, rebased, sandbox:none … */
  flags: v.array(v.string()),
  guard_outputs: v.array(GuardOutput),
  /** Every patch applied as written to the file it names: the cast's checksum determines every resulting byte. */
  exact: v.boolean(),
  /** Digest of the policy it was proven under; null where there was none. Another policy may ask for other guards. */
  policy: v.optional(v.nullable(Sha256Hex)),
})
export type VerificationBody = v.InferOutput<typeof VerificationBody>

/** The effects of a change in the form they are stored, shown and bound in. */
export const verifiedEffects = (effects: readonly FileEffect[]): VerifiedEffect[] =>
  effects.map(({ path, before, after }) => ({
    path,
    operation: after === null ? "delete" : before === null ? "add" : "update",
    mode: after?.mode ?? null,
    sha256: after === null ? null : contentHash(after),
  }))

/** Reads a stored body. Fails with one line: what cannot be read must not be approved. */
export const parseVerificationBody = (text: string): Result<VerificationBody, string> => {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return fail("it is not JSON")
  }
  const parsed = parseDocument(VerificationBody, value)
  return parsed.ok ? ok(parsed.value) : fail(parsed.error[0]?.message ?? "it is not a proof")
}
