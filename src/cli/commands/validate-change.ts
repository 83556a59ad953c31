import { defineCommand } from "../command.ts"

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
  run: (context) => import("../actions/submit.ts").then((m) => m.validateChange(context)),
})
