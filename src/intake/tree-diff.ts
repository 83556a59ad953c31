import type { Operation } from "../domain/change-request.ts"
import { fail, ok, type Result } from "../domain/result.ts"

/** Options of `git diff-tree` that make its output depend on the two trees alone, not on anybody's configuration. */
export const DIFF_TREE: readonly string[] = [
  "-c",
  "diff.external=",
  "-c",
  "diff.suppressBlankEmpty=false",
  "-c",
  "core.quotePath=true",
  "-c",
  "core.attributesFile=/dev/null",
  "diff-tree",
  "--stdin",
  "-z",
  "--raw",
  "--patch",
  "-r",
  "--no-abbrev",
  "--full-index",
  "--binary",
  "--no-renames",
  "--no-ext-diff",
  "--no-textconv",
  "--no-color",
  "--unified=3",
  "--inter-hunk-context=0",
  "--diff-algorithm=myers",
  "--indent-heuristic",
  "--src-prefix=a/",
  "--dst-prefix=b/",
  "--submodule=short",
  "--ignore-submodules=none",
]

/** Git repeats a line that names no object and flushes its output: the end of an answer. */
const END_LINE = "==end==\n"
/** At the start of a line no patch has it: there stand ` `, `+`, `-`, `\`, `@`, or a letter. */
export const END_MARK: Uint8Array = Buffer.from(`\n${END_LINE}`)

export const askDiff = (from: string, to: string): string => `${from} ${to}\n${END_LINE}`

/** One path of a diff: git's own section for it, byte for byte. `oldOid` is null for an add and for a gitlink. */
export interface FileDiff {
  readonly path: Buffer
  readonly operation: Operation
  readonly oldOid: string | null
  readonly patch: Buffer
}

const GITLINK = "160000"
const SECTION = Buffer.from("\ndiff --git ")
const RAW = /^:(\d{6}) (\d{6}) ([0-9a-f]{40}) [0-9a-f]{40} ([A-Z])\d*$/

interface RawEntry {
  readonly path: Buffer
  readonly status: string
  readonly oldMode: string
  readonly oldOid: string
}

/**
 * Reads one answer of `DIFF_TREE`: a header line, raw records ended by NUL, an empty record, then one section a file in
 * the same order. A change of type has two sections, a delete and an add. The problem says what did not fit.
 */
export const parseTreeDiff = (
  answer: Buffer,
  asked: { readonly from: string; readonly to: string },
): Result<readonly FileDiff[], string> => {
  const header = `${asked.from} ${asked.to}`
  const headerEnd = header.length
  if (answer.toString("latin1", 0, headerEnd) !== header) return fail("the answer to another question")
  if (answer.length <= headerEnd + 1) return ok([])
  const entries: RawEntry[] = []
  let at = headerEnd + 1
  while (answer[at] === 0x3a) {
    const recordEnd = answer.indexOf(0, at)
    const pathEnd = answer.indexOf(0, recordEnd + 1)
    const fields = RAW.exec(answer.toString("latin1", at, Math.max(at, recordEnd)))
    if (pathEnd < 0 || !fields) return fail("a raw record that cannot be read")
    entries.push({
      path: answer.subarray(recordEnd + 1, pathEnd),
      status: fields[4]!,
      oldMode: fields[1]!,
      oldOid: fields[3]!,
    })
    at = pathEnd + 1
  }
  if (answer[at] !== 0) return fail("no patch after the raw records")
  const sections = splitSections(answer.subarray(at + 1))
  const files: FileDiff[] = []
  let next = 0
  for (const { path, status, oldMode, oldOid } of entries) {
    const operations = OPERATIONS[status]
    if (!operations) return fail(`a file with status ${status}`)
    for (const operation of operations) {
      const patch = sections[next++]
      if (!patch) return fail("fewer patches than files")
      const hasContent = operation !== "add" && oldMode !== GITLINK
      files.push({ path, operation, oldOid: hasContent ? oldOid : null, patch })
    }
  }
  return next === sections.length ? ok(files) : fail("more patches than files")
}

const OPERATIONS: Readonly<Record<string, readonly Operation[]>> = {
  A: ["add"],
  M: ["update"],
  D: ["delete"],
  T: ["delete", "add"],
}

/** `text` lacks its last newline, which the end mark took; every section gets its own back. */
const splitSections = (text: Buffer): readonly Buffer[] => {
  const sections: Buffer[] = []
  for (let from = 0; from < text.length; ) {
    const found = text.indexOf(SECTION, from)
    const end = found < 0 ? text.length : found
    sections.push(Buffer.concat([text.subarray(from, end), Buffer.from("\n")]))
    from = end + 1
  }
  return sections
}
