import { type Piece, styled, type Text } from "../platform/Terminal.ts"
import { type AnyCommand, type ArgDefs, flagName, placeholder } from "./command.ts"
import type { CommandTable } from "./commands.ts"
import { GLOBAL_FLAGS } from "./globals.ts"
import type { Resolved } from "./resolve.ts"
import { TOPICS } from "./topics.ts"

type Row = readonly [term: string, meaning: string]

const LINE = 100

/** `text` broken at spaces so that no line of it is longer than `width`, unless a word is. */
const wrap = (text: string, width: number): readonly string[] => {
  if (text.length <= width) return [text]
  const lines: string[] = []
  let line = ""
  for (const word of text.split(" ")) {
    if (line !== "" && line.length + 1 + word.length > width) {
      lines.push(line)
      line = word
    } else line = line === "" ? word : `${line} ${word}`
  }
  return [...lines, line]
}

const section = (title: string, rows: readonly Row[]): readonly Piece[] => {
  if (rows.length === 0) return []
  let width = 0
  for (const [term] of rows) width = Math.max(width, term.length)
  const indent = `\n${" ".repeat(width + 4)}`
  let lines = "\n"
  for (const [term, meaning] of rows) {
    lines += `  ${meaning === "" ? term : term.padEnd(width + 2) + wrap(meaning, LINE - width - 4).join(indent)}\n`
  }
  return ["\n", styled("bold", title), lines]
}

/** In a form that can be pasted into a shell. */
const exampleSection = (examples: AnyCommand["examples"]): readonly Piece[] => [
  "\n",
  styled("bold", "EXAMPLES"),
  "\n",
  examples.map(([command, does]) => `  # ${does}\n  ${command}\n`).join("\n"),
]

const flagRows = (defs: ArgDefs): readonly Row[] =>
  Object.entries(defs).flatMap(([key, def]): readonly Row[] => {
    if (def.type === "positional") return []
    const short = "short" in def ? `-${def.short}, ` : ""
    const value = placeholder(def)
    const options = def.type === "enum" && def.value !== undefined ? `: ${def.options.join(", ")}` : ""
    const notes = "multiple" in def ? " (may be repeated)" : "required" in def ? " (required)" : ""
    return [
      [
        `${short}--${flagName(key)}${value === undefined ? "" : ` ${value}`}`,
        `${def.description}${options}${notes}`,
      ],
    ]
  })

const positionalTerm = (def: { value: string; required: boolean; multiple?: true }): string => {
  const name = def.multiple ? `${def.value}...` : def.value
  return def.required ? name : `[${name}]`
}

const argumentRows = (defs: ArgDefs): readonly Row[] =>
  Object.values(defs).flatMap((def): readonly Row[] =>
    def.type === "positional" ? [[positionalTerm(def), def.description]] : [],
  )

const usage = (name: string, defs: ArgDefs): string => {
  const own = Object.values(defs).filter((def) => def.type !== "positional")
  const required = Object.entries(defs).flatMap(([key, def]) =>
    "required" in def && def.type !== "positional" ? [`--${flagName(key)} ${placeholder(def)}`] : [],
  )
  const flags = own.length > required.length ? ["[flags]"] : []
  return ["hyperion", name, ...flags, ...required, ...argumentRows(defs).map(([term]) => term)].join(" ")
}

const summaries = (table: Readonly<Record<string, { readonly summary: string }>>): readonly Row[] =>
  Object.entries(table).map(([name, { summary }]) => [name, summary])

const rootHelp = (commands: CommandTable): Text => [
  "Hyperion: a local merge queue for coding agents. Changes are data.\n",
  ...section("USAGE", [["hyperion COMMAND [flags] [arguments]", ""]]),
  ...section("COMMANDS", summaries(commands)),
  ...section("GLOBAL FLAGS", flagRows(GLOBAL_FLAGS)),
  ...section("TOPICS", summaries(TOPICS)),
  "\n",
  "`hyperion help COMMAND` shows its arguments, flags and examples.\n",
]

const groupHelp = (
  name: string,
  summary: string,
  subcommands: Readonly<Record<string, { readonly summary: string }>>,
): Text => [
  `${summary}.\n`,
  ...section("USAGE", [[`hyperion ${name} COMMAND [flags]`, ""]]),
  ...section("COMMANDS", summaries(subcommands)),
  ...section("GLOBAL FLAGS", flagRows(GLOBAL_FLAGS)),
]

const commandHelp = (name: string, summary: string, command: AnyCommand): Text => [
  `${summary}.\n`,
  ...section("USAGE", [[usage(name, command.args), ""]]),
  ...section("ARGUMENTS", argumentRows(command.args)),
  ...section("FLAGS", flagRows(command.args)),
  ...section("GLOBAL FLAGS", flagRows(GLOBAL_FLAGS)),
  ...exampleSection(command.examples),
]

/** The help of the whole program and of a group needs the table only; a command's own loads that one command. */
export const helpFor = async (resolved: Resolved, commands: CommandTable): Promise<Text> => {
  if (resolved.kind === "root") return rootHelp(commands)
  const { name } = resolved
  if (resolved.kind === "group") return groupHelp(name, resolved.group.summary, resolved.group.subcommands)
  const { summary, load } = resolved.entry
  return commandHelp(name, summary, (await load()).default)
}

export const topicHelp = (name: string): Text | undefined => {
  const topic = Object.hasOwn(TOPICS, name) ? TOPICS[name] : undefined
  if (topic === undefined) return undefined
  return [`${topic.summary}.\n`, ...section(name.replace("-", " ").toUpperCase(), topic.rows)]
}
