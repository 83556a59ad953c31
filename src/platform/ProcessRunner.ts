import { statSync } from "node:fs"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { withoutLoaders } from "./child-env.ts"
import { type ChildOutcome, startChild } from "./child-process.ts"
import { findExecutable } from "./executable.ts"
import type { LogPlace } from "./process-log.ts"

/** The program did not start. `detail` is the system's word or the folder that was missing. */
export class SpawnFailed extends Data.TaggedError("SpawnFailed")<{
  readonly command: string
  readonly reason: "not_found" | "not_executable" | "other"
  readonly detail: string
}> {
  override get message(): string {
    return `cannot start ${this.command}: ${this.detail}`
  }
}

export type Argv = readonly [string, ...string[]]

export interface RunOptions {
  /** Program and arguments. Never given to a shell. */
  readonly argv: Argv
  readonly cwd: string
  /** The whole environment of the child: nothing is inherited. `BUN_OPTIONS` and its like are removed even here. */
  readonly env: Readonly<Record<string, string>>
  /** Absent: the child reads `/dev/null`. */
  readonly stdin?: string | Uint8Array
  readonly timeoutMs: number
  /** Between TERM and KILL, and for pipes left open after the exit. 200. */
  readonly graceMs?: number
  /** Kept in memory of each stream, half of it the head and half the tail. 256 KiB. */
  readonly maxOutputBytes?: number
  /** Both streams in order of arrival, up to `maxLogBytes` (64 MiB). Created 0600, truncated if it exists. */
  readonly logFile?: string
  /** Instead of `logFile`: the log is filed in this folder as `<logSha256>.log` when the process has ended. */
  readonly logDir?: string
  readonly maxLogBytes?: number
  /** Gives the child descriptor 3 and returns what it writes there (4 KiB) as `status`. */
  readonly statusFd?: boolean
}

/** How a process ended. A time-out is a value: `timedOut`, with whatever it had written. `durationMs` until its exit. */
export type ProcessOutcome = ChildOutcome

export interface ProcessRunnerShape {
  /**
   * Runs a program in its own process group. At the deadline and on interruption the group gets TERM, then KILL after
   * the grace. Anything of the group that outlives the program is killed when the program has ended.
   */
  readonly run: (options: RunOptions) => Effect.Effect<ProcessOutcome, SpawnFailed>
}

const reasonOf = (code: string | undefined): SpawnFailed["reason"] => {
  if (code === "ENOENT") return "not_found"
  return code === "EACCES" || code === "ENOEXEC" || code === "EPERM" ? "not_executable" : "other"
}

const placeOf = ({ logFile, logDir }: RunOptions): LogPlace | undefined => {
  if (logFile !== undefined) return { file: logFile }
  return logDir === undefined ? undefined : { folder: logDir }
}

const isFolder = (path: string): boolean => statSync(path, { throwIfNoEntry: false })?.isDirectory() === true

const run = Effect.fn("ProcessRunner.run")(function* (options: RunOptions) {
  const [command, ...args] = options.argv
  const refuse = (reason: SpawnFailed["reason"], detail: string): SpawnFailed =>
    new SpawnFailed({ command, reason, detail })
  if (!isFolder(options.cwd)) return yield* refuse("other", `the folder ${options.cwd} does not exist`)
  const env = withoutLoaders(options.env)
  const found = findExecutable(command, { cwd: options.cwd, path: env["PATH"] ?? "" })
  if (!found.ok) {
    const detail = found.error === "not_found" ? "no such program" : "the file may not be executed"
    return yield* refuse(found.error, detail)
  }
  return yield* Effect.async<ProcessOutcome, SpawnFailed>((resume) => {
    try {
      const child = startChild(
        {
          executable: found.value,
          args,
          cwd: options.cwd,
          env,
          stdin: options.stdin,
          timeoutMs: options.timeoutMs,
          graceMs: options.graceMs ?? 200,
          maxOutputBytes: options.maxOutputBytes ?? 256 * 1024,
          log: placeOf(options),
          maxLogBytes: options.maxLogBytes ?? 64 * 1024 * 1024,
          statusFd: options.statusFd ?? false,
        },
        (result) =>
          resume(
            result.ok
              ? Effect.succeed(result.value)
              : Effect.fail(refuse(reasonOf(result.error.code), result.error.message)),
          ),
      )
      return Effect.async<void>((done) => child.stop(() => done(Effect.void)))
    } catch (error) {
      resume(Effect.fail(refuse("other", error instanceof Error ? error.message : String(error))))
      return Effect.void
    }
  })
})

export class ProcessRunner extends Context.Tag("hyperion/platform/ProcessRunner")<
  ProcessRunner,
  ProcessRunnerShape
>() {
  static readonly layer = Layer.succeed(ProcessRunner, { run })
}
