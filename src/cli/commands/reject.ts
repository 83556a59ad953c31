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
    note: { type: "string", value: "TEXT", required: true, description: "The reason" },
  },
  examples: [
    ['hyperion reject 12 --note "wrong approach"', "Refuse an entry"],
    ['hyperion reject login --note "not now"', "Refuse all of a request"],
  ],
  run: notImplemented("reject"),
})
