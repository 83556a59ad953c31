import { sha256Hex } from "../../domain/hash.ts"
import { counted } from "../../domain/words.ts"
import type { Rule } from "../rule.ts"

/** `patch_hash` is the SHA-256 of the very bytes that were sent: a payload cut short or rewritten on its way is found. */
export const patchHash: Rule = ({ changes }) =>
  changes.flatMap(({ at, change, payload }) => {
    if (payload === null) return []
    const actual = sha256Hex(payload)
    if (actual === change.patch_hash) return []
    const field = change.patch === undefined ? "content" : "patch"
    return [
      {
        code: "patch_hash_mismatch",
        path: `${at}.patch_hash`,
        message: `says ${change.patch_hash.slice(0, 12)}…, but ${counted(payload.byteLength, "byte")} of ${field} hash to ${actual}`,
        hint: `hash exactly the bytes of ${field}, last line break included; line ends must not be converted`,
      },
    ]
  })
