import type { Command } from "./policy.ts"
import { fail, ok, type Result } from "./result.ts"

const OPERATOR = /[|&;<>()`\n]/

/**
 * A command line as words, the way a POSIX shell reads quotes and backslashes, and nothing else of a shell: what a
 * shell would act on (an operator, a substitution, a variable, a leading assignment or `~`) is refused, never passed
 * on as text. Globs stay as they are written: most tools expand their own. Fails with the reason.
 */
export const splitCommand = (text: string): Result<readonly [string, ...string[]], string> => {
  const words: string[] = []
  let word: string | null = null
  let quote: "'" | '"' | null = null
  const shell = (what: string) =>
    fail(`${what} needs a shell, and commands are run without one: write an array, or put it into a script`)
  for (let at = 0; at < text.length; at++) {
    const char = text[at]!
    if (quote === "'") {
      if (char === "'") quote = null
      else word += char
    } else if (char === "$" || char === "`") {
      return shell(`"${char}"`)
    } else if (char === "\\") {
      const next = text[++at]
      if (next === undefined) return fail("ends in a backslash")
      word = (word ?? "") + (quote === '"' && !/["\\$`]/.test(next) ? char + next : next)
    } else if (quote === '"') {
      if (char === '"') quote = null
      else word += char
    } else if (char === "'" || char === '"') {
      quote = char
      word ??= ""
    } else if (OPERATOR.test(char)) {
      return shell(JSON.stringify(char))
    } else if (/\s/.test(char)) {
      if (word !== null) words.push(word)
      word = null
    } else if (word === null && (char === "~" || char === "#")) {
      return shell(`a leading "${char}"`)
    } else {
      word = (word ?? "") + char
    }
  }
  if (quote !== null) return fail(`a ${quote} is not closed`)
  if (word !== null) words.push(word)
  const [program, ...args] = words
  if (program === undefined || program === "") return fail("names no program")
  if (/^[A-Za-z_][A-Za-z0-9_]*=/.test(program)) return shell("a leading assignment")
  return ok([program, ...args])
}

/** The arguments of a policy command. An array is taken as it is. */
export const commandArgv = (command: Command): Result<readonly [string, ...string[]], string> => {
  if (typeof command === "string") return splitCommand(command)
  const [program, ...args] = command
  return program === undefined || program === "" ? fail("names no program") : ok([program, ...args])
}
