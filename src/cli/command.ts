import type { CommandContext } from "./run.ts"
import type { TimeArg } from "./time.ts"

interface Described {
  /** One line, shown by `--help`. */
  readonly description: string
}

export interface BooleanFlag extends Described {
  readonly type: "boolean"
  readonly short?: string
}

export interface StringFlag extends Described {
  readonly type: "string"
  /** The placeholder in help: `FILE`, `NAME`. */
  readonly value: string
  readonly required?: true
  /** May be given more than once; the values are an array. */
  readonly multiple?: true
}

export interface EnumFlag extends Described {
  readonly type: "enum"
  readonly options: readonly string[]
  /** The placeholder, where the options are too many to be one. */
  readonly value?: string
  readonly multiple?: true
}

export interface IntegerFlag extends Described {
  readonly type: "integer"
  readonly value: string
  readonly min: number
  readonly max?: number
}

/** `instant`: a point in time; `since`: that, or a duration back from now. */
export interface TimeFlag extends Described {
  readonly type: "instant" | "since"
}

export interface Positional extends Described {
  readonly type: "positional"
  readonly value: string
  readonly required: boolean
  /** Takes all that remain; must be the last one. */
  readonly multiple?: true
}

export type FlagDef = BooleanFlag | StringFlag | EnumFlag | IntegerFlag | TimeFlag
export type ArgDef = FlagDef | Positional

/** Keys are camelCase in code (`args.maxAttempts`), kebab-case on the command line (`--max-attempts`). */
export type ArgDefs = Readonly<Record<string, ArgDef>>

type Value<D extends ArgDef> = D extends BooleanFlag
  ? boolean
  : D extends { readonly type: "integer" }
    ? number | undefined
    : D extends { readonly type: "instant" }
      ? (TimeArg & { kind: "instant" }) | undefined
      : D extends { readonly type: "since" }
        ? TimeArg | undefined
        : D extends EnumFlag
          ? D extends { readonly multiple: true }
            ? readonly D["options"][number][]
            : D["options"][number] | undefined
          : D extends { readonly multiple: true }
            ? readonly string[]
            : D extends { readonly required: true }
              ? string
              : string | undefined

/** The typed arguments of a command: an absent flag is `undefined`, `false` or an empty array. */
export type Args<A extends ArgDefs> = { readonly [K in keyof A]: Value<A[K]> }

export interface Refusal {
  readonly message: string
  readonly hint: string
}

export interface Command<A extends ArgDefs = ArgDefs> {
  readonly args: A
  /** Complete command lines, each with what it does. */
  readonly examples: readonly (readonly [command: string, does: string])[]
  /** Flags that do not go together; pure. */
  readonly refuse?: (args: Args<A>) => Refusal | undefined
  /** Imports its operation inside, so that `--help` loads none. Returns the exit code. */
  readonly run: (context: CommandContext<Args<A>>) => Promise<number>
}

/** A command whose argument types are forgotten: what the dispatcher handles. */
export interface AnyCommand {
  readonly args: ArgDefs
  readonly examples: Command["examples"]
  readonly refuse?: (args: never) => Refusal | undefined
  readonly run: (context: CommandContext<never>) => Promise<number>
}

export const defineCommand = <const A extends ArgDefs>(command: Command<A>): Command<A> => command

/** `maxAttempts` → `max-attempts`. */
export const flagName = (key: string): string => key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)

/** What help shows for the value of a flag or argument; undefined for a switch. */
export const placeholder = (def: ArgDef): string | undefined => {
  switch (def.type) {
    case "boolean":
      return undefined
    case "enum":
      return def.value ?? def.options.join("|")
    case "instant":
    case "since":
      return "TIME"
    default:
      return def.value
  }
}
