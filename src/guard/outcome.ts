import type { GuardResult } from "../domain/guard.ts"
import type { ProcessOutcome } from "../platform/ProcessRunner.ts"
import { ranInside } from "../platform/Sandbox.ts"

export interface Judged {
  readonly result: GuardResult
  /** Why it is `infra`, or how it ended where the exit code does not say. */
  readonly note: string | null
}

/** How runtimes and shells say that a dependency is not there. Only believed when one is known to be missing. */
const NOT_FOUND =
  /cannot find (module|package)|module not found|ERR_MODULE_NOT_FOUND|ModuleNotFoundError|no module named|could not resolve|no required module provides|unresolved import|cannot load such file|failed to open stream|command not found|: not found|ENOENT|failed opening required|no matching package/i

const TAIL_BYTES = 4_096
const utf8 = new TextDecoder()

/** The last 4 KiB as text, from the first whole character on. */
export const tail = (bytes: Uint8Array): string => {
  let start = Math.max(0, bytes.length - TAIL_BYTES)
  while (start > 0 && start < bytes.length && (bytes[start]! & 0xc0) === 0x80) start++
  return utf8.decode(bytes.subarray(start))
}

/**
 * What an ended process says about the tree. Exit 126 and 127 (a program that is not there), a sandbox that was not
 * set up and a dependency folder known to be missing are the machine's doing, not the change's.
 */
export const judge = (
  outcome: ProcessOutcome,
  sandboxed: boolean,
  missing: readonly { readonly path: string; readonly reason: string }[],
): Judged => {
  if (outcome.timedOut) return { result: "timeout", note: null }
  if (sandboxed && !ranInside(outcome.status))
    return { result: "infra", note: "the sandbox could not be set up" }
  if (outcome.exitCode === 0) return { result: "passed", note: null }
  const text = `${utf8.decode(outcome.stdout)}\n${utf8.decode(outcome.stderr)}`
  const isNotFound = outcome.exitCode === 126 || outcome.exitCode === 127
  if (missing.length > 0 && (isNotFound || NOT_FOUND.test(text))) {
    const reasons = missing.map(({ reason }) => reason).join("; ")
    const hint = "install them in the working tree, or set `prepare` in hyperion.json"
    return { result: "infra", note: `dependencies are missing: ${reasons}. ${hint}` }
  }
  if (isNotFound) {
    return {
      result: "infra",
      note: `a program it needs is missing or not executable (exit ${outcome.exitCode})`,
    }
  }
  return { result: "failed", note: outcome.signal === null ? null : `ended by ${outcome.signal}` }
}
