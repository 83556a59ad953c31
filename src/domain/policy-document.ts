import { sha256Hex } from "./hash.ts"
import { parseDocument } from "./parse-document.ts"
import { type Policy, Policy as PolicySchema } from "./policy.ts"
import { fail, ok, type Result } from "./result.ts"
import { parseStrictJson } from "./strict-json.ts"
import type { Violation } from "./violation.ts"

export interface PolicyDocument {
  readonly policy: Policy
  /** SHA-256 of the file's bytes: what `config trust` records. */
  readonly digest: string
  /** The parsed file without defaults: which keys it sets itself. */
  readonly given: Record<string, unknown>
}

/** Reads `hyperion.json`. Every problem at once; an unknown key or version is one. */
export const parsePolicy = (bytes: Uint8Array): Result<PolicyDocument, readonly Violation[]> => {
  const json = parseStrictJson(bytes)
  if (!json.ok)
    return fail([
      {
        code: `json_${json.error.code}`,
        path: "",
        message: `line ${json.error.line}, column ${json.error.column}: ${json.error.message}`,
        hint: "correct the JSON of hyperion.json",
      },
    ])
  const parsed = parseDocument(PolicySchema, json.value)
  if (!parsed.ok) return parsed
  return ok({ policy: parsed.value, digest: sha256Hex(bytes), given: json.value as Record<string, unknown> })
}
