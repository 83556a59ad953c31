import { defineCommand } from "../command.ts"
import { notImplemented } from "../run.ts"

export default defineCommand({
  args: {},
  examples: [
    ["hyperion status", "What waits, what runs, what needs a person"],
    ["hyperion status --format json", "The same for a script"],
  ],
  run: notImplemented("status"),
})
