import { defineCommand } from "../command.ts"
import { notImplemented } from "../run.ts"

export default defineCommand({
  args: {
    id: {
      type: "positional",
      value: "ID",
      required: true,
      description: "Entry, cast, task, request or commit",
    },
  },
  examples: [
    ["hyperion why 12", "Position, what blocks it, the next command"],
    ["hyperion why login-1 --format json", "The same for a script"],
  ],
  run: notImplemented("why"),
})
