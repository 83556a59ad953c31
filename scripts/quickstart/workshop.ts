import { join } from "node:path"
import { expect, type Ground, must, run, runAsSeen, Unexpected } from "./run.ts"
import type { Screen } from "./screen.ts"

/** A folder in which commands are shown as a person types them, with what they print. */
export interface Workshop {
  readonly folder: string
  /** Runs and shows one command; ends everything unless it ends with one of `codes`. Returns what it printed. */
  readonly type: (words: readonly string[], codes?: readonly number[]) => string
  /** Asks in JSON, unseen: what the checks are made on. */
  readonly ask: (...args: readonly string[]) => unknown
  readonly git: (...args: readonly string[]) => string
}

const quoted = (word: string): string =>
  /^[\w@%+=:,./{}-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`

export const makeWorkshop = (screen: Screen, ground: Ground, binary: string, name: string): Workshop => {
  const folder = join(ground.folder, name)
  // A terminal's width is nobody's business here: the output is shown indented.
  const env = { ...ground.env, ...(screen.color ? { FORCE_COLOR: "1" } : { NO_COLOR: "1" }) }
  const resolve = (words: readonly string[]) => [
    words[0] === "hyperion" ? binary : words[0]!,
    ...words.slice(1),
  ]
  return {
    folder,
    type: (words, codes = [0]) => {
      screen.command(words.map(quoted).join(" "))
      const seen = runAsSeen({ argv: resolve(words), cwd: folder, env }, ground.folder)
      screen.output(seen.text)
      expect(
        codes.includes(seen.code),
        `${words.join(" ")} ended with exit code ${seen.code}, expected ${codes.join(" or ")}`,
      )
      return seen.text
    },
    ask: (...args) => {
      const answer = run({ argv: [binary, ...args, "--format", "json"], cwd: folder, env: ground.env })
      if (answer.code !== 0)
        throw new Unexpected(`hyperion ${args.join(" ")} ended with ${answer.code}: ${answer.stderr.trim()}`)
      return JSON.parse(answer.stdout)
    },
    git: (...args) => must({ argv: ["git", ...args], cwd: folder, env: ground.env }).trim(),
  }
}
