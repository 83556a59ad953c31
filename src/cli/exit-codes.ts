/** How the process ends. The same numbers are documented by `hyperion help exit-codes`. */
export const Exit = {
  ok: 0,
  failed: 1,
  usage: 2,
  conflict: 3,
  approvalMissing: 4,
  rejected: 5,
  guardFailed: 6,
  tryLater: 75,
  deadline: 124,
  interrupted: 130,
  outputClosed: 141,
} as const

export type ExitCode = (typeof Exit)[keyof typeof Exit]

export interface ExitCodeEntry {
  readonly code: ExitCode
  readonly name: string
  readonly description: string
}

export const EXIT_CODES: readonly ExitCodeEntry[] = [
  { code: Exit.ok, name: "ok", description: "Everything asked for was done." },
  { code: Exit.failed, name: "failed", description: "It was tried and failed; the error line says why." },
  {
    code: Exit.usage,
    name: "usage",
    description: "The command line or its input was not understood; nothing was done.",
  },
  { code: Exit.conflict, name: "conflict", description: "A change does not fit the current content." },
  { code: Exit.approvalMissing, name: "approval missing", description: "A person has to approve it first." },
  { code: Exit.rejected, name: "rejected by validation", description: "At least one document was refused." },
  { code: Exit.guardFailed, name: "guard failed", description: "A guard was red on the candidate." },
  {
    code: Exit.tryLater,
    name: "try later",
    description: "Busy or not available just now; the same command may succeed later.",
  },
  { code: Exit.deadline, name: "deadline", description: "A time limit passed before the end." },
  { code: Exit.interrupted, name: "interrupted", description: "Stopped by Ctrl-C." },
  { code: Exit.outputClosed, name: "output closed", description: "The reader of the output went away." },
]
