import { defineCommand } from "../command.ts"
import { notImplemented } from "../run.ts"

export default defineCommand({
  args: {
    file: {
      type: "positional",
      value: "FILE",
      required: true,
      description: "Change request or cast as JSON; - reads stdin",
    },
  },
  examples: [
    ["hyperion validate-change change.json", "Every problem with its place; exit 5 when there is one"],
    ["hyperion validate-change - --format json < change.json", "The same for an agent"],
  ],
  run: notImplemented("validate-change"),
})
