import { applyPatch } from "./apply.ts"
import type { ParsedPatch } from "./parse.ts"

const LINK = "120000"

/**
 * Where the link points that a patch leaves behind; null when it leaves none, or does not say so by itself: whether an
 * update without a mode is one of a link, only its base knows.
 */
export const linkTargetOf = (patch: ParsedPatch): string | null => {
  if (patch.operation === "delete" || (patch.newMode ?? patch.statedMode) !== LINK) return null
  if (patch.operation === "add") {
    const applied = applyPatch(patch, null)
    return applied.ok && applied.value.after !== null ? text(applied.value.after.bytes) : null
  }
  // A link's content is its target alone, so that a patch of it holds all of the new one.
  return patch.binary === null && patch.hunks.length > 0
    ? text(Buffer.concat(patch.hunks.map(({ post }) => post)))
    : null
}

const text = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("utf8")
