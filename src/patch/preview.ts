import { createTwoFilesPatch, FILE_HEADERS_ONLY } from "diff"
import { counted } from "../domain/words.ts"

/**
 * Bounds of one diff: edits, and milliseconds. Without them 2 × 20,000 different lines take more than 20 s (measured).
 */
const maxEditLength = 4000
const timeout = 200
const maxBytes = 4 * 1024 * 1024
const binarySniffBytes = 8000

const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })

const asText = (bytes: Uint8Array | null): string | null => {
  if (bytes === null) return ""
  if (bytes.subarray(0, binarySniffBytes).includes(0)) return null
  try {
    return strict.decode(bytes)
  } catch {
    return null
  }
}

type TextDiff = { readonly kind: "patch"; readonly patch: string } | { readonly kind: "binary" | "too_large" }

/** A unified diff of two UTF-8 files, which `parsePatch` reads; a null side does not exist. */
export const textDiff = (
  path: string,
  before: Uint8Array | null,
  after: Uint8Array | null,
  context = 3,
): TextDiff => {
  if ((before?.length ?? 0) + (after?.length ?? 0) > maxBytes) return { kind: "too_large" }
  const oldText = asText(before)
  const newText = asText(after)
  if (oldText === null || newText === null) return { kind: "binary" }
  const patch = createTwoFilesPatch(
    before === null ? "/dev/null" : `a/${path}`,
    after === null ? "/dev/null" : `b/${path}`,
    oldText,
    newText,
    undefined,
    undefined,
    { context, maxEditLength, timeout, headerOptions: FILE_HEADERS_ONLY },
  )
  return patch === undefined ? { kind: "too_large" } : { kind: "patch", patch }
}

/** For display: the diff, or one line that says why there is none. */
export const previewDiff = (
  path: string,
  before: Uint8Array | null,
  after: Uint8Array | null,
  context = 3,
): string => {
  const diff = textDiff(path, before, after, context)
  if (diff.kind === "patch") return diff.patch
  const sizes = `${before?.length ?? 0} → ${counted(after?.length ?? 0, "byte")}`
  return diff.kind === "binary"
    ? `${path}: binary content changes (${sizes})\n`
    : `${path}: too many changes to show (${sizes})\n`
}
