import { visibleJson } from "../platform/sanitize.ts"
import { type Format, makeWriter, OutputClosed, type OutputWriter, type Sink } from "../platform/stdio.ts"
import type { Environment, Text } from "../platform/Terminal.ts"
import type { ArgDefs } from "./command.ts"
import { COMMANDS, type CommandTable } from "./commands.ts"
import { describeFailure, UsageError } from "./errors.ts"
import { Exit } from "./exit-codes.ts"
import { type EarlyGlobals, earlyGlobals, GLOBAL_FLAGS, wantsTraces } from "./globals.ts"
import { helpFor } from "./help.ts"
import { type Resolved, resolve } from "./resolve.ts"
import { scan } from "./scan.ts"
import { COMMIT, VERSION } from "./version.ts"

export interface Io {
  readonly env: Environment
  /** Opens the two streams; called once, for everything but a plain answer. */
  readonly open: (noColor: boolean) => Promise<{ readonly stdout: Sink; readonly stderr: Sink }>
  /** The cheap way to print help or version, where no colour can be wanted. */
  readonly printOnce?: ((text: Text) => Promise<void>) | undefined
}

const versionText = (format: Format): string => {
  if (format === "text") return `hyperion ${VERSION} (${COMMIT.slice(0, 12)})`
  const about = { schema_version: 1, name: "hyperion", version: VERSION, commit: COMMIT }
  return visibleJson(about, format === "json" ? 2 : 0)
}

type ResolvedCommand = Extract<Resolved, { readonly kind: "command" }>

/** The text that answers a command line for which nothing has to run, else its command. @throws UsageError */
const answerOrCommand = async (
  argv: readonly string[],
  early: EarlyGlobals,
  commands: CommandTable,
): Promise<{ readonly answer: Text } | { readonly command: ResolvedCommand }> => {
  if (early.version && !early.help) return { answer: versionText(early.format) }
  const resolved = resolve(argv, commands)
  if (early.help) return { answer: await helpFor(resolved, commands) }
  if (resolved.kind === "command") return { command: resolved }
  scan(resolved.rest, GLOBAL_FLAGS, "hyperion --help")
  if (resolved.kind === "root") return { answer: await helpFor(resolved, commands) }
  const { name, group } = resolved
  const known = Object.keys(group.subcommands).join(", ")
  throw new UsageError("missing_command", `${name} needs one of: ${known}`, `hyperion ${name} --help`)
}

const runCommand = async (
  { name, entry, rest }: ResolvedCommand,
  output: OutputWriter,
  env: Environment,
): Promise<number> => {
  const help = `hyperion ${name} --help`
  const command = (await entry.load()).default
  const { parse } = await import("./parse.ts")
  // A command may know more formats than the others.
  const globalFlags = { ...GLOBAL_FLAGS, ...(command.args["format"] && { format: command.args["format"] }) }
  const defs: ArgDefs = { ...command.args, ...globalFlags }
  const scanned = scan(rest, defs, help)
  const args = parse(command.args, scanned, help)
  const { root, db, quiet } = parse(globalFlags, { ...scanned, positionals: [] }, help)
  const refusal = command.refuse?.(args as never)
  if (refusal !== undefined) throw new UsageError("bad_usage", refusal.message, refusal.hint)
  const globals = { root, db, quiet, format: output.format, color: output.stdout.color }
  // The definitions that `parse` has just checked are the ones `run` is typed by.
  return command.run({ args, globals, output, env } as never)
}

const openWriter = async ({ format, quiet, noColor }: EarlyGlobals, io: Io): Promise<OutputWriter> =>
  makeWriter({ format, quiet, ...(await io.open(noColor)) })

const report = (thrown: unknown, output: OutputWriter, env: Environment): number => {
  if (thrown instanceof OutputClosed || output.closed()) return Exit.outputClosed
  const { problem, exit, trace } = describeFailure(thrown)
  if (trace !== undefined && wantsTraces(env)) output.note(trace)
  return output.error(problem, exit)
}

/** For what no command awaited (a rejection or an exception in a callback): one line, the exit code. */
export const reportStray = async (thrown: unknown, argv: readonly string[], io: Io): Promise<number> =>
  report(thrown, await openWriter(earlyGlobals(argv), io), io.env)

/** Runs one command line to its exit code. Never throws: whatever happens is one line on stderr. */
export const dispatch = async (
  argv: readonly string[],
  io: Io,
  commands: CommandTable = COMMANDS,
): Promise<number> => {
  const early = earlyGlobals(argv)
  let output: OutputWriter | undefined
  try {
    const next = await answerOrCommand(argv, early, commands)
    if ("answer" in next && io.printOnce !== undefined) {
      await io.printOnce(next.answer)
      return Exit.ok
    }
    output = await openWriter(early, io)
    if ("command" in next) return await runCommand(next.command, output, io.env)
    output.data(next.answer)
    return Exit.ok
  } catch (thrown) {
    return report(thrown, output ?? (await openWriter(early, io)), io.env)
  }
}
