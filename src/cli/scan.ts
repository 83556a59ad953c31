import { type ArgDefs, type FlagDef, flagName } from "./command.ts"
import { UsageError } from "./errors.ts"
import { didYouMean } from "./suggest.ts"

/** A command line taken apart, before any value is interpreted. */
export interface Scanned {
  /** Key of the definition → the values as typed; a switch has none. */
  readonly flags: ReadonlyMap<string, readonly string[]>
  readonly positionals: readonly string[]
}

const NEGATIVE_NUMBER = /^-\d/

/** `-` alone is an argument (stdin), not a flag. */
export const isFlag = (token: string): boolean => token.length > 1 && token.startsWith("-")

/** As typed (`--max-attempts`, `-h`) → key and definition. */
export const flagsByName = (defs: ArgDefs): ReadonlyMap<string, readonly [key: string, def: FlagDef]> => {
  const byName = new Map<string, readonly [key: string, def: FlagDef]>()
  for (const [key, def] of Object.entries(defs)) {
    if (def.type === "positional") continue
    byName.set(`--${flagName(key)}`, [key, def])
    if (def.type === "boolean" && def.short !== undefined) byName.set(`-${def.short}`, [key, def])
  }
  return byName
}

/**
 * Takes tokens apart strictly: every flag is known, has a value exactly when it takes one, and comes once unless it
 * is declared `multiple`. A token that starts with `-` is never taken as a value (write `--note=-x`), but a negative
 * number is, so that its range error names the flag. After `--` everything is positional; `-` alone is.
 *
 * @throws UsageError
 */
export const scan = (tokens: readonly string[], defs: ArgDefs, help: string): Scanned => {
  const byName = flagsByName(defs)
  const flags = new Map<string, string[]>()
  const positionals: string[] = []
  for (let index = 0; index < tokens.length; index++) {
    const token = tokens[index]!
    if (token === "--") {
      positionals.push(...tokens.slice(index + 1))
      break
    }
    if (!isFlag(token)) {
      positionals.push(token)
      continue
    }
    const equals = token.indexOf("=")
    const typed = equals === -1 ? token : token.slice(0, equals)
    const found = byName.get(typed)
    if (found === undefined) {
      const suggestion = didYouMean(`--${typed.replace(/^-+/, "")}`, [...byName.keys()])
      throw new UsageError("unknown_flag", `unknown flag ${typed}${suggestion}`, help)
    }
    const [key, def] = found
    const given = flags.get(key) ?? []
    flags.set(key, given)
    if (def.type === "boolean") {
      if (equals !== -1) throw new UsageError("unexpected_value", `flag ${typed} takes no value`, help)
      continue
    }
    const next = tokens[index + 1]
    const follows = next !== undefined && (!isFlag(next) || NEGATIVE_NUMBER.test(next)) ? next : ""
    const value = equals === -1 ? follows : token.slice(equals + 1)
    if (value === "") throw new UsageError("missing_value", `flag ${typed} needs a value`, help)
    if (equals === -1) index++
    given.push(value)
    if (given.length > 1 && !("multiple" in def)) {
      throw new UsageError("repeated_flag", `flag ${typed} was given more than once`, help)
    }
  }
  return { flags, positionals }
}
