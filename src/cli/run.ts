import type { Format, OutputWriter } from "../platform/stdio.ts"
import type { Environment } from "../platform/Terminal.ts"

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
