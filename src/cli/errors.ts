import { OutputFailed, type Problem } from "../platform/stdio.ts"
import { Exit, type ExitCode } from "./exit-codes.ts"

/** A refusal of the command line: exit 2, nothing was done. */
export class UsageError extends Error {
  readonly code: string
  readonly hint: string

  constructor(code: string, message: string, hint: string) {
    super(message)
    this.name = "UsageError"
    this.code = code
    this.hint = hint
  }
}

export interface Failure {
  readonly problem: Problem
  readonly exit: ExitCode
  /** Only for a defect: where it happened. Shown when HYPERION_LOG asks for traces. */
  readonly trace?: string
}

const defectMessage = (defect: unknown): string => {
  if (defect instanceof Error) return defect.message === "" ? defect.name : defect.message
  return String(defect)
}

/** What is said about anything that was thrown up to `main`. */
export const describeFailure = (thrown: unknown): Failure => {
  if (thrown instanceof UsageError) {
    const { code, message, hint } = thrown
    return { problem: { code, message, hint, retryable: false }, exit: Exit.usage }
  }
  if (thrown instanceof OutputFailed) {
    const { message } = thrown
    return { problem: { code: "output_failed", message, retryable: false }, exit: Exit.failed }
  }
  return {
    problem: {
      code: "internal",
      message: `internal error: ${defectMessage(thrown)}`,
      hint: "run the same command with HYPERION_LOG=debug",
      retryable: false,
    },
    exit: Exit.failed,
    ...(thrown instanceof Error && thrown.stack !== undefined ? { trace: thrown.stack } : {}),
  }
}
