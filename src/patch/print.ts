import type { ParsedPatch } from "./parse.ts"
import type { PlacedHunk } from "./place.ts"
import { quote } from "./quote.ts"
import { concatBytes, encode } from "./text.ts"

const contextLines = 3
const newline = 10
const space = encode(" ")

/** A hunk as it is printed. */
interface PrintedHunk {
  line: number
  to: number
  oldLines: number
  newLines: number
  readonly section: Uint8Array
  readonly body: Uint8Array[]
  trailingContext: number
}

const side = (prefix: string, path: Uint8Array): string => quote(concatBytes([encode(prefix), path]))

const headerText = (patch: ParsedPatch): string => {
  const path = encode(patch.path)
  const oldName = side("a/", path)
  const newName = side("b/", path)
  const lines = [`diff --git ${oldName} ${newName}`]
  if (patch.operation === "add") lines.push(`new file mode ${patch.newMode}`)
  else if (patch.operation === "delete") lines.push(`deleted file mode ${patch.statedMode ?? "100644"}`)
  else if (patch.oldMode !== null && patch.newMode !== null)
    lines.push(`old mode ${patch.oldMode}`, `new mode ${patch.newMode}`)
  if (patch.index !== null) {
    const mode = patch.index.mode === null ? "" : ` ${patch.index.mode}`
    lines.push(`index ${patch.index.oldOid}..${patch.index.newOid}${mode}`)
  }
  if (patch.hunks.length > 0) {
    const tab = patch.path.includes(" ") ? "\t" : ""
    lines.push(patch.operation === "add" ? "--- /dev/null" : `--- ${oldName}${tab}`)
    lines.push(patch.operation === "delete" ? "+++ /dev/null" : `+++ ${newName}${tab}`)
  }
  return `${lines.join("\n")}\n`
}

const range = (line: number, lines: number): string => {
  const start = lines === 0 ? line : line + 1
  return lines === 1 ? `${start}` : `${start},${lines}`
}

/** Takes up to `most` lines of the base in `[from, limit)` as context. */
const takeContext = (base: Uint8Array, hunk: PrintedHunk, limit: number, most: number): void => {
  for (let taken = 0; taken < most && hunk.to < limit; taken++) {
    const end = base.indexOf(newline, hunk.to)
    const to = end < 0 ? base.length : end + 1
    hunk.body.push(space, base.subarray(hunk.to, to))
    if (end < 0) hunk.body.push(encode("\n\\ No newline at end of file\n"))
    hunk.to = to
    hunk.oldLines += 1
    hunk.newLines += 1
    hunk.trailingContext += 1
  }
}

/** `git apply` takes a hunk without trailing context for the end of the file: give such hunks context or join them. */
const withContext = (base: Uint8Array, placed: readonly PlacedHunk[]): readonly PrintedHunk[] => {
  const printed: PrintedHunk[] = []
  for (const [at, { hunk, line, from, to }] of placed.entries()) {
    const before = printed.at(-1)
    const next = placed[at + 1]?.from ?? base.length
    let current: PrintedHunk
    if (before !== undefined && before.to === from && (before.trailingContext === 0 || hunk.oldLines === 0)) {
      before.body.push(hunk.body)
      before.oldLines += hunk.oldLines
      before.newLines += hunk.newLines
      before.trailingContext = hunk.trailingContext
      before.to = to
      current = before
    } else {
      current = {
        line,
        to,
        oldLines: hunk.oldLines,
        newLines: hunk.newLines,
        section: hunk.section,
        body: [hunk.body],
        trailingContext: hunk.trailingContext,
      }
      printed.push(current)
    }
    if (current.trailingContext === 0) takeContext(base, current, next, contextLines)
    if (current.oldLines === 0 && from > 0) {
      const start = from < 2 ? 0 : base.lastIndexOf(newline, from - 2) + 1
      current.body.unshift(space, base.subarray(start, from))
      current.line -= 1
      current.oldLines += 1
      current.newLines += 1
    }
  }
  return printed
}

/** The patch in the form `git diff` writes and `git apply` takes, with the hunks where they were applied. */
export const printPatch = (
  patch: ParsedPatch,
  base: Uint8Array,
  placed: readonly PlacedHunk[],
): Uint8Array<ArrayBuffer> => {
  const parts: Uint8Array[] = [encode(headerText(patch))]
  if (patch.binary !== null) parts.push(patch.binary.text)
  let shift = 0
  for (const hunk of withContext(base, placed)) {
    const oldRange = range(hunk.line, hunk.oldLines)
    const newRange = range(hunk.line + shift, hunk.newLines)
    parts.push(encode(`@@ -${oldRange} +${newRange} @@`), hunk.section, encode("\n"), ...hunk.body)
    shift += hunk.newLines - hunk.oldLines
  }
  return concatBytes(parts)
}
