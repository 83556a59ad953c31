import { compareText } from "../domain/change-request.ts"
import type { FileEffect } from "../domain/files.ts"
import { canonicalDigest, sha256Hex } from "../domain/hash.ts"

/** What an approval of an entry binds: the cast and the exact bytes and modes that would land. */
export const approvalDigest = (checksum: string, effects: readonly FileEffect[]): string =>
  canonicalDigest({
    checksum,
    files: effects
      .map(({ path, after }) => ({
        path,
        mode: after?.mode ?? null,
        sha256: after === null ? null : sha256Hex(after.bytes),
      }))
      .sort((a, b) => compareText(a.path, b.path)),
  })

/** Digits of the digest a person types to approve: enough to have looked, few enough to type. */
export const CONFIRMATION_DIGITS = 6
