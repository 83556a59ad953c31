import { makeWriter, type OutputWriter, type Sink } from "../platform/stdio.ts"
import type { Environment } from "../platform/Terminal.ts"
import type { ArgDefs } from "./command.ts"
import { COMMANDS, type CommandTable } from "./commands.ts"
import { describeFailure, UsageError } from "./errors.ts"
import { Exit } from "./exit-codes.ts"
import { earlyGlobals, GLOBAL_FLAGS, wantsTraces } from "./globals.ts"
import { helpFor } from "./help.ts"
import { type Resolved, resolve } from "./resolve.ts"
import { scan } from "./scan.ts"
import { COMMIT, VERSION } from "./version.ts"

export interface Io {
  readonly env: Environment
  readonly stdout: (noColor: boolean) => Sink
  readonly stderr: (noColor: boolean) => Sink
  /** Runs once before a command does; `--version` and `--help` (a tenth of their CPU) go without. */
  readonly beforeCommand?: () => void
}

const printVersion = (output: OutputWriter): number => {
  const about = { schema_version: 1, name: "hyperion", version: VERSION, commit: COMMIT }
  if (output.format === "text") output.data(`hyperion ${VERSION} (${COMMIT.slice(0, 12)})`)
  else if (output.format === "json") output.json(about)
  else output.jsonl(about)
  return Exit.ok
}

const printHelp = async (
  resolved: Resolved,
  commands: CommandTable,
  output: OutputWriter,
): Promise<number> => {
  output.data(await helpFor(resolved, commands))
  return Exit.ok
}

const runCommand = async (
  resolved: Resolved,
  commands: CommandTable,
  output: OutputWriter,
  beforeCommand: Io["beforeCommand"],
): Promise<number> => {
  if (resolved.kind !== "command") {
    scan(resolved.rest, GLOBAL_FLAGS, "hyperion --help")
    if (resolved.kind === "root") return printHelp(resolved, commands, output)
    const { name, group } = resolved
    const known = Object.keys(group.subcommands).join(", ")
    throw new UsageError("missing_command", `${name} needs one of: ${known}`, `hyperion ${name} --help`)
  }
  const { name, entry, rest } = resolved
  const help = `hyperion ${name} --help`
  const command = (await entry.load()).default
  const { parse } = await import("./parse.ts")
  const defs: ArgDefs = { ...command.args, ...GLOBAL_FLAGS }
  const scanned = scan(rest, defs, help)
  const args = parse(command.args, scanned, help)
  const { root, db, quiet } = parse(GLOBAL_FLAGS, { ...scanned, positionals: [] }, help)
  const refusal = command.refuse?.(args as never)
  if (refusal !== undefined) throw new UsageError("bad_usage", refusal.message, refusal.hint)
  const globals = { root, db, quiet, format: output.format, color: output.stdout.color }
  beforeCommand?.()
  // The definitions that `parse` has just checked are the ones `run` is typed by.
  return command.run({ args, globals, output } as never)
}

const writerFor = (argv: readonly string[], io: Io): OutputWriter => {
  const { format, quiet, noColor } = earlyGlobals(argv)
  return makeWriter({ format, quiet, stdout: io.stdout(noColor), stderr: io.stderr(noColor) })
}

const report = (thrown: unknown, output: OutputWriter, env: Environment): number => {
  if (output.closed()) return Exit.outputClosed
  const { problem, exit, trace } = describeFailure(thrown)
  if (trace !== undefined && wantsTraces(env)) output.note(trace)
  return output.error(problem, exit)
}

/** For what no command awaited (a rejection or an exception in a callback): one line, the exit code. */
export const reportStray = (thrown: unknown, argv: readonly string[], io: Io): number =>
  report(thrown, writerFor(argv, io), io.env)

/** Runs one command line to its exit code. Never throws: whatever happens is one line on stderr. */
export const dispatch = async (
  argv: readonly string[],
  io: Io,
  commands: CommandTable = COMMANDS,
): Promise<number> => {
  const early = earlyGlobals(argv)
  const output = writerFor(argv, io)
  try {
    if (early.version && !early.help) return printVersion(output)
    const resolved = resolve(argv, commands)
    if (early.help) return await printHelp(resolved, commands, output)
    return await runCommand(resolved, commands, output, io.beforeCommand)
  } catch (thrown) {
    return report(thrown, output, io.env)
  }
}
