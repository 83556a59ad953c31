import { compareText } from "../domain/change-request.ts"
import type { FileEffect } from "../domain/files.ts"
import { canonicalDigest } from "../domain/hash.ts"
import { type VerifiedEffect, verifiedEffects } from "../domain/verification.ts"

/** What an approval of an entry binds: the cast and the exact bytes and modes that would land. */
export const approvalDigest = (checksum: string, effects: readonly FileEffect[]): string =>
  digestOfProof(checksum, verifiedEffects(effects))

/** The same from the stored proof: what an approver is shown must be what the digest says. */
export const digestOfProof = (checksum: string, effects: readonly VerifiedEffect[]): string =>
  canonicalDigest({
    checksum,
    files: effects
      .map(({ path, mode, sha256 }) => ({ path, mode, sha256 }))
      .sort((a, b) => compareText(a.path, b.path)),
  })

export interface Bound {
  readonly entryId: number
  readonly digest: string
}

/** One digest for a decision about several entries; of one alone it is its own. */
export const decisionDigest = (bound: readonly Bound[]): string =>
  bound.length === 1
    ? bound[0]!.digest
    : canonicalDigest(
        [...bound]
          .sort((a, b) => a.entryId - b.entryId)
          .map(({ entryId, digest }) => ({ entry: entryId, digest })),
      )

/** Digits of the digest a person types to approve: enough to have looked, few enough to type. */
export const CONFIRMATION_DIGITS = 6

/** Whether what was typed is the digest's first digits; more of them, up to all, are as good. */
export const confirms = (typed: string, digest: string): boolean => {
  const digits = typed.trim().toLowerCase()
  return digits.length >= CONFIRMATION_DIGITS && digest.startsWith(digits)
}
