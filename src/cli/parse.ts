import { type ArgDef as CittyArg, type ArgsDef as CittyArgs, parseArgs } from "citty"
import { type ArgDef, type ArgDefs, flagName, placeholder } from "./command.ts"
import { UsageError } from "./errors.ts"
import type { Scanned } from "./scan.ts"
import { didYouMean } from "./suggest.ts"
import { parseInstant, parseSince } from "./time.ts"

const badValue = (name: string, value: string, expected: string, help: string): UsageError =>
  new UsageError("bad_value", `bad value "${value}" for ${name}: expected ${expected}`, help)

/** One value as its definition wants it. @throws UsageError */
const interpret = (name: string, def: ArgDef, value: string, help: string): unknown => {
  switch (def.type) {
    case "enum": {
      if (def.options.includes(value)) return value
      const expected = `one of ${def.options.join(", ")}${didYouMean(value, def.options)}`
      throw badValue(name, value, expected, help)
    }
    case "integer": {
      const number = /^-?\d{1,15}$/.test(value) ? Number(value) : Number.NaN
      if (number >= def.min && number <= (def.max ?? Number.MAX_SAFE_INTEGER)) return number
      const range = def.max === undefined ? `of at least ${def.min}` : `from ${def.min} to ${def.max}`
      throw badValue(name, value, `a whole number ${range}`, help)
    }
    case "instant":
    case "since": {
      const time = def.type === "instant" ? parseInstant(value) : parseSince(value)
      if (time.ok) return time.value
      throw badValue(name, value, time.error, help)
    }
    default:
      return value
  }
}

const checkPositionals = (defs: ArgDefs, positionals: readonly string[], help: string): void => {
  const slots = Object.values(defs).filter((def) => def.type === "positional")
  const missing = slots[positionals.length]
  if (missing?.required) {
    throw new UsageError("missing_argument", `missing argument ${missing.value}`, help)
  }
  const extra = positionals[slots.length]
  if (extra !== undefined && !slots.some((slot) => slot.multiple)) {
    throw new UsageError("extra_argument", `unexpected argument "${extra}"`, help)
  }
  if (positionals.includes("")) throw new UsageError("bad_value", "an argument is empty", help)
}

/** citty's view of a definition: it knows switches, strings and positionals. */
const toCitty = (def: ArgDef): CittyArg => {
  if (def.type === "positional") return { type: "positional", required: def.required }
  return def.type === "boolean" ? { type: "boolean", default: false } : { type: "string" }
}

/**
 * The typed arguments. citty reads a command line that was already found strict and is handed over in canonical
 * form, because it accepts unknown flags, extra arguments and missing values silently and keeps only the last of
 * repeated flags: those were checked in `scan` and are collected here. Keys go in as camelCase, because citty takes
 * every token that starts with `--no-` for a negation. Flags of other definitions are left out.
 *
 * @throws UsageError
 */
export const parse = (defs: ArgDefs, scanned: Scanned, help: string): Readonly<Record<string, unknown>> => {
  checkPositionals(defs, scanned.positionals, help)
  const canonical: string[] = []
  for (const [key, values] of scanned.flags) {
    if (defs[key] === undefined) continue
    if (defs[key].type === "boolean") canonical.push(`--${key}`)
    else for (const value of values) canonical.push(`--${key}=${value}`)
  }
  const cittyArgs: CittyArgs = Object.fromEntries(
    Object.entries(defs).map(([key, def]) => [key, toCitty(def)]),
  )
  const read = parseArgs([...canonical, "--", ...scanned.positionals], cittyArgs)
  const args: Record<string, unknown> = {}
  let position = 0
  for (const [key, def] of Object.entries(defs)) {
    if (def.type === "positional") {
      args[key] = def.multiple ? scanned.positionals.slice(position) : read[key]
      position++
      continue
    }
    const name = `flag --${flagName(key)}`
    if ("multiple" in def) {
      args[key] = (scanned.flags.get(key) ?? []).map((value) => interpret(name, def, value, help))
      continue
    }
    const value: unknown = read[key]
    if (value === undefined && "required" in def) {
      throw new UsageError("missing_flag", `missing flag --${flagName(key)} ${placeholder(def)}`, help)
    }
    args[key] = typeof value === "string" ? interpret(name, def, value, help) : value
  }
  return args
}
