/** Why a patch is refused, or (the last five) conflicts with what happened meanwhile. Closed: every code has a test in test/patch. */
export type PatchProblemCode =
  | "no_patch"
  | "multiple_files"
  | "path_mismatch"
  | "operation_mismatch"
  | "malformed_patch"
  | "hunk_order"
  | "corrupt_patch"
  | "file_exists"
  | "file_missing"
  | "rename_unsupported"
  | "gitlink_refused"
  | "mode_unsupported"
  | "binary_unsupported"
  | "symlink_unsupported"
  | "too_large"
  | "edits_overlap"
  | "added_differently"
  | "deleted_meanwhile"
  | "changed_meanwhile"
  | "not_mergeable"

/** `hunk` and `line` are 1-based; `line` counts in the pre-image. Excerpts are safe to print on a terminal. */
export interface PatchProblem {
  readonly code: PatchProblemCode
  readonly message: string
  readonly hint: string
  readonly hunk?: number
  readonly line?: number
  readonly expected?: string
  readonly found?: string
}

export type RepairKind =
  | "recount"
  | "bare_hunk_header"
  | "file_header"
  | "code_fence"
  | "stray_blank_lines"
  | "final_newline"
  | "blank_context"
  | "relocation"

/** A deviation that was put right without guessing at content; shown to the approver. `hunk` is 1-based. */
export interface Repair {
  readonly kind: RepairKind
  readonly detail: string
  readonly hunk?: number
}

const excerptBytes = 160
const excerptCharacters = 100
const lossy = new TextDecoder("utf-8", { ignoreBOM: true })
const unprintable = /[\p{Cc}\p{Cf}\p{Co}\p{Cn}\p{Zl}\p{Zp}\ufffd]/gu

/** At most 100 characters of one line, controls, bidi marks and invalid UTF-8 made visible. */
export const excerpt = (bytes: Uint8Array): string => {
  const newline = bytes.indexOf(10)
  const line = newline < 0 ? bytes : bytes.subarray(0, newline)
  const text = lossy
    .decode(line.subarray(0, excerptBytes))
    .replace(unprintable, (character) => `\\u{${character.codePointAt(0)?.toString(16)}}`)
  return text.length > excerptCharacters || line.length > excerptBytes
    ? `${text.slice(0, excerptCharacters)}…`
    : text
}
