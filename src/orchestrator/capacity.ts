import type { Policy } from "../domain/policy.ts"
import type { RequestedChange, TaskRequest } from "../domain/request.ts"
import { isExplicit } from "../domain/requested-change.ts"
import { quoted, type Violation } from "../domain/violation.ts"
import type { Group } from "./ownership.ts"

/** Bytes of a token, as a rule of thumb for English text and code: only ever compared with a limit. */
const BYTES_PER_TOKEN = 4
const NAMED_FILES = 5

const payloadSize = (change: RequestedChange): number =>
  Buffer.byteLength(change.patch ?? "") + Buffer.byteLength(change.content ?? "")

/** `fileBytes`: sizes of files of the base, where they are known. */
export const groupBytes = (group: Group, fileBytes: ReadonlyMap<string, number>): number =>
  group.changes.reduce((sum, change) => sum + payloadSize(change) + Buffer.byteLength(change.summary), 0) +
  group.paths.reduce((sum, path) => sum + (fileBytes.get(path) ?? 0), 0)

/** 1 (trivial) to 10: a step for each further file, up to five, and one for each fourfold size above 2 KiB, up to four. */
export const estimateComplexity = (files: number, bytes: number): number => {
  const bySize = bytes < 2_048 ? 0 : Math.min(4, 1 + Math.floor(Math.log2(bytes / 2_048) / 2))
  return 1 + Math.min(5, Math.max(0, files - 1)) + bySize
}

const listed = (paths: readonly string[]): string =>
  paths
    .slice(0, NAMED_FILES)
    .map((path) => quoted(path))
    .join(", ") + (paths.length > NAMED_FILES ? ` and ${paths.length - NAMED_FILES} more` : "")

/** What makes a group more than one agent may be given: files, context, folders that must not be mixed. */
export const capacityProblems = (
  group: Group,
  taskId: string,
  request: TaskRequest,
  fileBytes: ReadonlyMap<string, number>,
  limits: Policy["orchestrator"],
): readonly Violation[] => {
  const violations: Violation[] = []
  const violation = (code: string, message: string, hint: string): void => {
    violations.push({ code, path: "requested_changes", message: `${taskId}: ${message}`, hint })
  }
  if (group.paths.length > limits.max_files)
    violation(
      "too_many_files",
      `${listed(group.paths)} are ${group.paths.length} files; the limit of one assignment is ${limits.max_files}`,
      "split the request, or let the operator raise orchestrator.max_files",
    )
  if (!group.changes.every(isExplicit)) {
    const bytes =
      groupBytes(group, fileBytes) +
      Buffer.byteLength(request.summary) +
      Buffer.byteLength(request.context ?? "")
    const tokens = Math.ceil(bytes / BYTES_PER_TOKEN)
    if (tokens > limits.max_context_tokens)
      violation(
        "context_too_large",
        `${listed(group.paths)} with their description are about ${tokens} tokens; the limit is ${limits.max_context_tokens}`,
        "shorten the context, split the files, or let the operator raise orchestrator.max_context_tokens",
      )
  }
  const globs = limits.boundaries.map((pattern) => ({ pattern, glob: new Bun.Glob(pattern) }))
  const inside = new Map<string, string>()
  for (const path of group.paths) {
    const boundary = globs.find(({ glob }) => glob.match(path))
    if (boundary && !inside.has(boundary.pattern)) inside.set(boundary.pattern, path)
  }
  if (inside.size > 1)
    violation(
      "boundary_mixed",
      `${listed([...inside.values()])} lie on both sides of a boundary (${[...inside.keys()].join(", ")})`,
      "request them separately; orchestrator.boundaries says what may not be mixed in one assignment",
    )
  return violations
}
