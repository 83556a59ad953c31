import { defineCommand } from "../../src/cli/command.ts"
import type { CommandTable } from "../../src/cli/commands.ts"
import { dispatch } from "../../src/cli/dispatch.ts"
import type { Sink } from "../../src/platform/stdio.ts"
import type { Environment, Terminal } from "../../src/platform/Terminal.ts"

export interface Ran {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

interface RunOptions {
  readonly env?: Environment
  readonly terminal?: Terminal
}

/** Runs one command line in process and records both streams. */
export const run = async (
  argv: readonly string[],
  commands?: CommandTable,
  options: RunOptions = {},
): Promise<Ran> => {
  const written = { stdout: "", stderr: "" }
  const sink = (name: "stdout" | "stderr"): Sink => ({
    terminal: options.terminal ?? { isTTY: false, columns: undefined, color: false },
    write: (text) => {
      written[name] += text
    },
  })
  const open = () => Promise.resolve({ stdout: sink("stdout"), stderr: sink("stderr") })
  const code = await dispatch(argv, { env: options.env ?? {}, open }, commands)
  return { code, ...written }
}

/** Every kind of argument in one command that prints what it was given. */
const probe = defineCommand({
  args: {
    file: { type: "positional", value: "FILE", required: true, description: "A file" },
    others: { type: "positional", value: "OTHER", required: false, multiple: true, description: "More" },
    note: { type: "string", value: "TEXT", description: "A note" },
    path: { type: "string", value: "PATH", multiple: true, description: "A path" },
    state: { type: "enum", options: ["pending", "applied"], multiple: true, description: "A state" },
    mode: { type: "enum", options: ["fast", "slow"], description: "A mode" },
    maxAttempts: { type: "integer", value: "N", min: 1, max: 100, description: "A number" },
    since: { type: "since", description: "A time" },
    dryRun: { type: "boolean", description: "A switch" },
  },
  examples: [["hyperion probe a.json", "An example"]],
  run: ({ args, globals, output }) => {
    output.jsonl({ args, globals })
    return Promise.resolve(0)
  },
})

const single = defineCommand({
  args: { id: { type: "positional", value: "ID", required: true, description: "An id" } },
  examples: [],
  run: ({ args, output }) => {
    output.jsonl({ args })
    return Promise.resolve(0)
  },
})

const faulty = (thrown: unknown) =>
  defineCommand({ args: {}, examples: [], run: () => Promise.reject(thrown) })

export const TABLE: CommandTable = {
  probe: { summary: "Print the arguments", load: () => Promise.resolve({ default: probe }) },
  single: { summary: "Take one id", load: () => Promise.resolve({ default: single }) },
  nest: {
    summary: "A group",
    subcommands: { one: { summary: "Take one id", load: () => Promise.resolve({ default: single }) } },
  },
  soft: {
    summary: "A group with a fallback",
    fallback: "one",
    subcommands: { one: { summary: "Take one id", load: () => Promise.resolve({ default: single }) } },
  },
  broken: {
    summary: "Fail with a defect",
    load: () => Promise.resolve({ default: faulty(new Error("boom\n\u001b[31mred")) }),
  },
}

/** What the probe printed. */
export const given = (ran: Ran): { args: Record<string, unknown>; globals: Record<string, unknown> } => {
  if (ran.code !== 0) throw new Error(`exit ${ran.code}: ${ran.stderr}`)
  return JSON.parse(ran.stdout)
}
