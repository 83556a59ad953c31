import type { CommandEntry, CommandGroup, CommandTable } from "./commands.ts"
import { UsageError } from "./errors.ts"
import { GLOBAL_FLAGS } from "./globals.ts"
import { flagsByName, isFlag } from "./scan.ts"
import { didYouMean } from "./suggest.ts"

/** What a command line names, and what is left of it without the name. */
export type Resolved =
  | { readonly kind: "root"; readonly rest: readonly string[] }
  | {
      readonly kind: "group"
      readonly name: string
      readonly group: CommandGroup
      readonly rest: readonly string[]
    }
  | {
      readonly kind: "command"
      readonly name: string
      readonly entry: CommandEntry
      readonly rest: readonly string[]
    }

const globals = flagsByName(GLOBAL_FLAGS)

/** Index of the next word past global flags; -1 at the end, at `--`, and at a flag that is not global. */
const nextWord = (argv: readonly string[], from: number): number => {
  for (let index = from; index < argv.length; index++) {
    const token = argv[index]!
    if (!isFlag(token)) return index
    const def = globals.get(token.split("=", 1)[0]!)?.[1]
    if (def === undefined) return -1
    const next = argv[index + 1]
    if (def.type !== "boolean" && !token.includes("=") && next !== undefined && !isFlag(next)) index++
  }
  return -1
}

const own = <V>(table: Readonly<Record<string, V>>, word: string): V | undefined =>
  Object.hasOwn(table, word) ? table[word] : undefined

const unknown = (kind: string, word: string, known: readonly string[], hint: string): UsageError =>
  new UsageError("unknown_command", `unknown ${kind} "${word}"${didYouMean(word, known)}`, hint)

/** Global flags may stand before, between and after the words of the name. @throws UsageError */
export const resolve = (argv: readonly string[], table: CommandTable): Resolved => {
  const first = nextWord(argv, 0)
  if (first === -1) return { kind: "root", rest: argv }
  const name = argv[first]!
  const node = own(table, name)
  if (node === undefined) throw unknown("command", name, Object.keys(table), "hyperion --help")
  const rest = argv.toSpliced(first, 1)
  if ("load" in node) return { kind: "command", name, entry: node, rest }
  const { subcommands, fallback } = node
  const second = nextWord(rest, first)
  const word = second === -1 ? fallback : rest[second]
  if (word === undefined) return { kind: "group", name, group: node, rest }
  const entry = own(subcommands, word)
  if (entry === undefined) {
    throw unknown(`command of ${name}`, word, Object.keys(subcommands), `hyperion ${name} --help`)
  }
  return {
    kind: "command",
    name: `${name} ${word}`,
    entry,
    rest: second === -1 ? rest : rest.toSpliced(second, 1),
  }
}
