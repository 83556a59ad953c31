import type { Format, OutputWriter } from "../platform/stdio.ts"
import type { Environment } from "../platform/Terminal.ts"
import { Exit, type ExitCode } from "./exit-codes.ts"

/** The global flags, as given; environment and policy come after them and are read by the configuration service. */
export interface Globals {
  readonly root: string | undefined
  readonly db: string | undefined
  readonly format: Format
  /** Whether stdout takes colour. */
  readonly color: boolean
  readonly quiet: boolean
}

/** What a command gives its operation: `run: (context) => import("…").then((m) => m.enqueue(context))`. */
export interface CommandContext<A> {
  readonly args: A
  readonly globals: Globals
  readonly output: OutputWriter
  readonly env: Environment
}

/** A command whose operation is not there yet says so. */
export const notImplemented =
  (name: string) =>
  ({ output }: { readonly output: OutputWriter }): Promise<ExitCode> => {
    output.error(
      {
        code: "not_implemented",
        message: `${name} is not implemented in this version`,
        hint: "hyperion help",
        retryable: false,
      },
      Exit.failed,
    )
    return Promise.resolve(Exit.failed)
  }
