import { defineCommand } from "../command.ts"
import { COMMANDS } from "../commands.ts"
import { UsageError } from "../errors.ts"
import { Exit } from "../exit-codes.ts"
import { helpFor, topicHelp } from "../help.ts"
import { resolve } from "../resolve.ts"
import { didYouMean } from "../suggest.ts"
import { TOPICS } from "../topics.ts"

export default defineCommand({
  args: {
    words: {
      type: "positional",
      value: "COMMAND|TOPIC",
      required: false,
      multiple: true,
      description: "A command such as `audit verify`, or exit-codes, environment",
    },
  },
  examples: [
    ["hyperion help enqueue", "Arguments, flags and examples of a command"],
    ["hyperion help exit-codes", "What the exit codes mean"],
  ],
  run: async ({ args: { words }, output }) => {
    const [word, ...others] = words
    const topic = word === undefined || others.length > 0 ? undefined : topicHelp(word)
    if (word !== undefined && topic === undefined && !Object.hasOwn(COMMANDS, word)) {
      const known = [...Object.keys(COMMANDS), ...Object.keys(TOPICS)]
      const message = `no command or topic "${word}"${didYouMean(word, known)}`
      throw new UsageError("unknown_command", message, "hyperion --help")
    }
    output.data(topic ?? (await helpFor(resolve(words, COMMANDS), COMMANDS)))
    return Exit.ok
  },
})
