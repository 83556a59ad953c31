import { defineCommand } from "../command.ts"
import { COMMANDS } from "../commands.ts"
import { Exit } from "../exit-codes.ts"
import { helpFor, topicHelp } from "../help.ts"
import { resolve } from "../resolve.ts"

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
    const topic = words.length === 1 ? topicHelp(words[0]!) : undefined
    output.data(topic ?? (await helpFor(resolve(words, COMMANDS), COMMANDS)))
    return Exit.ok
  },
})
